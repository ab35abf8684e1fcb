import type { ValueKind } from "./setting.ts";

/** Where alerts are sent. */
export interface Webhook {
	/** It usually has a secret in its path. */
	url: string;
	/** Generic JSON, or what Slack's incoming webhooks take. */
	format: "json" | "slack";
}

/** Webhooks that may be set. */
export const WEBHOOKS_MAX = 10;
const URL_CHARS_MAX = 2_000;
/** `slack+https://…` is the URL that Slack shows, with a word before it. */
const SLACK = "slack+";
/** Shorter parts of a URL are hardly secret. */
const SECRET_PART_CHARS_MIN = 8;

/** URLs that alerts are posted to, separated by commas. */
export const webhooks: ValueKind<readonly Webhook[]> = {
	accepts: `up to ${WEBHOOKS_MAX} https:// or http:// URLs separated by commas, each with \`${SLACK}\` before it for Slack's format`,
	parse(text) {
		const all = text.split(",").map((one) => webhookOf(one.trim()));
		if (all.length > WEBHOOKS_MAX) throw new RangeError();
		// One that is named twice is told once.
		return [...new Map(all.map((one) => [`${one.format} ${one.url}`, one])).values()];
	},
	secretsIn: (all) => all.flatMap(({ url }) => secretPartsOf(new URL(url))),
};

function webhookOf(text: string): Webhook {
	const isSlack = text.toLowerCase().startsWith(SLACK);
	const url = URL.parse(isSlack ? text.slice(SLACK.length) : text);
	const isWeb = url !== null && (url.protocol === "https:" || url.protocol === "http:");
	if (!isWeb || url.hash !== "" || text.length > URL_CHARS_MAX) throw new RangeError();
	return { url: url.href, format: isSlack ? "slack" : "json" };
}

/** All that may be a token: what stands after the host, its parts, and a password. */
function secretPartsOf({ href, pathname, search, searchParams, password }: URL): string[] {
	const path = pathname.split("/");
	const values = [...searchParams.values(), password, decodeURIComponent(password)];
	const parts = [...path, ...path.map(decodedPart), ...values].filter((part) => part.length >= SECRET_PART_CHARS_MIN);
	const whole = `${pathname}${search}`;
	return whole.length > 1 || password !== "" ? [href, ...(whole.length > 1 ? [whole.slice(1)] : []), ...parts] : [];
}

function decodedPart(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}
