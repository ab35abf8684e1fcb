import { InvalidArgumentError } from "commander";

/**
 * A parser for an option that takes a whole number between two limits, both below 2^53.
 * @throws InvalidArgumentError that names the limits
 */
export function wholeNumber(min: number, max: number): (text: string) => number {
	return (text) => {
		const value = Number(text);
		if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value;
		throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
	};
}

/** A parser for an option that takes a seq from `min` on. */
export function seq(min: number): (text: string) => number {
	return wholeNumber(min, Number.MAX_SAFE_INTEGER);
}
