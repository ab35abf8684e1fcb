/** The relay breaks the check's rule. The message says how. */
export class FailCheck extends Error {
	override readonly name = "FailCheck";
}

/** The check can't be judged. The message says why. */
export class SkipCheck extends Error {
	override readonly name = "SkipCheck";
}
