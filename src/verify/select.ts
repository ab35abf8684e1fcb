import type { EngineChoice } from "../config/bounds.ts";
import type { Engine } from "./engine.ts";
import { createNativeEngine, type NativeEngineOptions } from "./native.ts";
import { createPortableEngine } from "./portable/engine.ts";

/** The engine that was asked for does not work on this machine. */
export class EngineError extends Error {
	override readonly name = "EngineError";
}

export interface SelectedEngine {
	engine: Engine;
	/** One line for the log: which engine runs, and why. */
	note: string;
	/** The native engine was wanted but does not work here: the note is a warning. */
	isFallback: boolean;
}

/**
 * Chooses the engine for a thread; each has one of its own.
 *
 * @param onPanic told when the native code fails on a message, which the portable engine then judges
 * @param createNative for tests
 * @throws EngineError if the choice is `native` and it does not work here
 */
export function selectEngine(
	choice: EngineChoice,
	onPanic: () => void,
	createNative: (options: NativeEngineOptions) => Engine = createNativeEngine,
): SelectedEngine {
	const portable = createPortableEngine();
	if (choice === "portable") return { engine: portable, note: "portable verifier, as set", isFallback: false };
	try {
		const engine = createNative({ reference: portable, onPanic });
		return { engine, note: "native verifier, self-test passed", isFallback: false };
	} catch (error) {
		const fault = error instanceof Error ? error.message : String(error);
		if (choice === "native") throw new EngineError(`the native verifier was asked for, but ${fault}`, { cause: error });
		return { engine: portable, note: `portable verifier, some ten times slower: ${fault}`, isFallback: true };
	}
}
