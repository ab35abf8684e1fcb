/**
 * Milliseconds since 1970, unaffected by steps of the system's clock since the thread began. It is compared with the stored
 * times of lookups. A step must neither make all of them outdated nor keep them good for ever.
 */
export function steadyWallMs(): number {
	return Math.round(performance.timeOrigin + performance.now());
}
