import { median } from "./figures.ts";

/**
 * How much a figure rises from one of its values to the next: the median of the slopes of all pairs, so that a few values that stand
 * out do not matter (Theil and Sen). 0 for less than two values.
 */
export function slopeOf(values: readonly number[]): number {
	const slopes = values.flatMap((later, at) =>
		values.slice(0, at).map((earlier, from) => (later - earlier) / (at - from)),
	);
	return slopes.length === 0 ? 0 : median(slopes);
}

/** How much a figure has risen over the last half of its values, by their slope, as a share of their median. */
export function riseOfLastHalf(values: readonly number[]): number {
	const half = values.slice(Math.floor(values.length / 2));
	const middle = median(half);
	return middle === 0 ? 0 : (slopeOf(half) * (half.length - 1)) / middle;
}
