/** Percent between two lines if no line can be replaced. */
const PERCENT_STEP = 10;

/** Decides which steps of long work are shown: after each percent if a line replaces the one before, else after each ten. */
export class PercentSteps {
	readonly #step: number;
	#shown = "";

	constructor(isReplaceable: boolean) {
		this.#step = isReplaceable ? 1 : PERCENT_STEP;
	}

	/** The percent to show; null if this step is not to be shown. Of nothing, all is done. */
	percent(phase: string, done: number, total: number): number | null {
		const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
		const shown = `${phase} ${Math.floor(percent / this.#step)}`;
		if (shown === this.#shown) return null;
		this.#shown = shown;
		return percent;
	}
}
