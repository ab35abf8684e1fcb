import { InvalidArgumentError } from "commander";
import { origin } from "../config/setting.ts";

/**
 * Reads the URL of a relay that a command is to look at.
 * @returns its origin
 * @throws InvalidArgumentError; the URL is not shown, since it may have a password in it
 */
export function relayUrl(text: string): string {
	try {
		return origin.parse(text);
	} catch {
		throw new InvalidArgumentError(`expected ${origin.accepts}`);
	}
}
