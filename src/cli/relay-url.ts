import { origin } from "../config/setting.ts";
import { Misuse } from "./command.ts";

/**
 * A parser for an argument or option that is the URL of a relay. It gives the origin.
 * @param name of the argument, in the words of a fault
 * @throws Misuse, not commander's error, which would show the URL: it may have a password in it
 */
export function relayUrl(name: string): (text: string) => string {
	return (text) => {
		try {
			return origin.parse(text);
		} catch {
			throw new Misuse(`${name}: expected ${origin.accepts}`);
		}
	};
}
