import { HOSTNAME_CHARS_MAX } from "./limits.ts";

const LABEL_CHARS_MAX = 63;
const LABEL = /^[a-z0-9-]+$/;
/**
 * Top-level domains that have no hosts on the public network (rulebook 4). Some are reserved. The others are used in private
 * networks (RFC 6762, appendix G, and also `localdomain` and `mail`) and are not delegated.
 */
const RESERVED_TLDS: ReadonlySet<string> = new Set([
	"alt",
	"arpa",
	"corp",
	"example",
	"home",
	"internal",
	"intranet",
	"invalid",
	"lan",
	"local",
	"localdomain",
	"localhost",
	"mail",
	"onion",
	"private",
]);

/**
 * Returns which rule a lower-case name breaks, or null if it can be the name of a public host: at least two labels of letters,
 * digits and hyphens, no IP address, no reserved top-level domain.
 *
 * @param allowTest accept names below `.test`
 */
export function dnsNameFault(name: string, allowTest: boolean): string | null {
	if (name.length === 0) return "the hostname is empty";
	if (name.length > HOSTNAME_CHARS_MAX) return `longer than ${HOSTNAME_CHARS_MAX} characters`;
	const labels = name.split(".");
	if (!labels.every(isLabel)) {
		return "each label must be 1 to 63 letters, digits and inner hyphens (internationalised names as xn--)";
	}
	const tld = labels.at(-1) ?? "";
	if (labels.length < 2) return "a single label is not allowed, a full DNS name is required";
	// This tells IPv4 addresses, in all the forms that resolvers accept, from names.
	if (!isLetter(tld)) return "the top-level domain must start with a letter, IP addresses are not allowed";
	// Some names pass all rules above and are still not valid in a URL, such as one with an xn-- label that is not Punycode.
	if (URL.parse(`https://${name}`)?.hostname !== name)
		return "the name is not valid in a URL (xn-- labels must be Punycode)";
	if (RESERVED_TLDS.has(tld) || (tld === "test" && !allowTest)) return `the top-level domain .${tld} is reserved`;
	return null;
}

function isLabel(label: string): boolean {
	return label.length <= LABEL_CHARS_MAX && LABEL.test(label) && !label.startsWith("-") && !label.endsWith("-");
}

function isLetter(text: string): boolean {
	const code = text.charCodeAt(0);
	return code >= 0x61 && code <= 0x7a;
}
