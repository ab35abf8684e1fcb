import type { Control } from "../../src/control/api.ts";
import type { Served } from "../../src/runtime/requests.ts";

/** A control thread that has these methods only. Calling another one is a failure of the test. */
export function fakeControl<Fake extends Control | Served<Control>>(methods: Partial<Fake>): Fake {
	return new Proxy(methods, {
		get: (has, name) => {
			if (name === "then" || name in has) return Reflect.get(has, name);
			throw new Error(`the test does not expect a call of ${String(name)}`);
		},
	}) as Fake;
}
