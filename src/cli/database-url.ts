import { indexUrl } from "../config/setting.ts";
import { hideMoreSecrets } from "../observe/masking.ts";
import { Misuse } from "./command.ts";

/**
 * Reads an option that is the URL of a database. From now on no output shows its password.
 * @param name of the option
 * @throws Misuse, which does not show the URL
 */
export function databaseUrl(name: string, text: string): string {
	try {
		const url = indexUrl.parse(text);
		hideMoreSecrets(indexUrl.secretsIn?.(url) ?? []);
		return url;
	} catch (error) {
		const accepted = error instanceof Error && error.message !== "" ? error.message : indexUrl.accepts;
		throw new Misuse(`${name}: expected ${accepted}`);
	}
}
