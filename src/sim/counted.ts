/** Counts by the metric's name. */
export class Counted {
	readonly all: Readonly<Record<string, number>>;

	constructor(all: Readonly<Record<string, number>>) {
		this.all = all;
	}

	/** @throws {RangeError} if no metric has that name, which means that the test has misspelt it */
	of(name: string): number {
		const count = this.all[name];
		if (count === undefined) throw new RangeError(`nothing counts ${name}`);
		return count;
	}
}
