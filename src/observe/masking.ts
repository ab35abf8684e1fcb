/** What stands in the place of a secret. */
export const MASK = "***";
/** Shorter secrets are not looked for: they stand in many words. */
export const SECRET_CHARS_MIN = 4;

/** User and password of a URL, which may be one that is nobody's setting, such as an argument of a command. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@"'<>]{1,1000}@/gi;
/** Credentials as HTTP sends them. */
const HTTP_CREDENTIALS = /\b(Basic|Bearer) (?=[a-z+/._~-]*[A-Z0-9=])[A-Za-z0-9+/=._~-]{8,}/g;

let hidden: readonly string[] = [];
let secrets: RegExp | null = null;
let longest = 0;

/** From now on this thread shows none of these secrets, in whatever form it knows. Takes the place of those given before. */
export function hideSecrets(texts: readonly string[]): void {
	hidden = texts;
	const forms = new Set(texts.filter((text) => text.length >= SECRET_CHARS_MIN).flatMap(formsOf));
	// The longest first: one secret may be a part of another.
	const sorted = [...forms].sort((a, b) => b.length - a.length);
	longest = sorted[0]?.length ?? 0;
	secrets = sorted.length === 0 ? null : new RegExp(sorted.map((form) => RegExp.escape(form)).join("|"), "g");
}

/** From now on this thread shows none of these secrets either. */
export function hideMoreSecrets(texts: readonly string[]): void {
	hideSecrets([...hidden, ...texts]);
}

/** The text without secrets: the one place through which all that the process says about itself goes. */
export function masked(text: string): string {
	const known = secrets === null ? text : text.replace(secrets, MASK);
	return known.replace(URL_CREDENTIALS, `$1${MASK}@`).replace(HTTP_CREDENTIALS, `$1 ${MASK}`);
}

/** The longest credentials of a URL that are looked for, with the scheme before them. */
const CREDENTIALS_CHARS_MAX = 1_100;

/** Like `masked`, of a text of any length: at most `charsMax` characters of it, and then `cutMark` if that is not all. */
export function maskedBeginning(text: string, charsMax: number, cutMark: string): string {
	const margin = longest + CREDENTIALS_CHARS_MAX;
	const reach = charsMax + 2 * margin;
	const isWhole = text.length <= reach;
	// A secret that was cut is not found, so the end is left out, which may be the beginning of one.
	const shown = isWhole ? masked(text) : masked(text.slice(0, reach)).slice(0, -margin);
	return isWhole && shown.length <= charsMax ? shown : shown.slice(0, charsMax) + cutMark;
}

/** How a secret may stand in a message: as it is, in a URL, in JSON, and in the credentials of HTTP. */
function formsOf(secret: string): string[] {
	const whole = secret.toWellFormed();
	const url = encodeURIComponent(whole);
	const base64 = Buffer.from(whole).toString("base64");
	return [
		secret,
		whole,
		url,
		// As the parts of a URL are written by other rules.
		encodeURI(whole),
		url.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
		inUrl(whole),
		JSON.stringify(whole).slice(1, -1),
		base64.replace(/=+$/, ""),
		Buffer.from(whole).toString("base64url"),
	].filter((form) => form.length >= SECRET_CHARS_MIN);
}

/** As the language's own parser writes it as a password. */
function inUrl(secret: string): string {
	const url = new URL("http://host");
	url.password = secret;
	return url.password;
}
