/** Numbers that never fall from one to the next, such as an array of them. */
export interface Rising {
	at(i: number): number | undefined;
}

/** Index of the first of `count` numbers that is above `value`; `count` if there is none. */
export function firstAfter(numbers: Rising, count: number, value: number): number {
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((numbers.at(middle) ?? Number.POSITIVE_INFINITY) > value) high = middle;
		else low = middle + 1;
	}
	return low;
}
