import type { EngineChoice } from "../config/bounds.ts";
import type { Engine } from "./engine.ts";
import { createNativeEngine, type NativeEngineOptions } from "./native.ts";
import { createPortableEngine } from "./portable/engine.ts";

/** The engine that the settings ask for does not work on this machine. */
export class EngineError extends Error {
	override readonly name = "EngineError";
}

export interface SelectedEngine {
	engine: Engine;
	/** One line for the log: which engine runs, and why. */
	note: string;
	/** Whether the portable engine runs because the native one does not work here. The note is then a warning. */
	isFallback: boolean;
}

/**
 * Makes the engine for a thread. Each thread has its own.
 *
 * @param onPanic called when the native code fails on a message, which the portable engine then judges
 * @param createNative replaced by tests
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
