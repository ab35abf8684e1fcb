/**
 * Milliseconds since 1970. Steps of the system's clock since the thread began don't reach it: the stored times of lookups are
 * compared with it, and a step must neither outdate all of them nor keep them for ever.
 */
export function steadyWallMs(): number {
	return Math.round(performance.timeOrigin + performance.now());
}
