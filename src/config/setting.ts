import { isPostgresUrl, parsePostgresUrl } from "./postgres-url.ts";

/**
 * One setting of the relay and the kinds of values that settings have. A parser gets the operator's text and gives the
 * value, or throws an error that says what is accepted.
 */
export interface Setting<Value> {
	/** Environment variables, the preferred one first: the first that is set counts. */
	env: readonly [string, ...string[]];
	/** Flags beside the one that follows from the first environment variable, without their dashes. */
	flagAliases?: readonly string[];
	kind: ValueKind<Value>;
	/** As an operator would write it; null if `unset` computes it. */
	default: string | null;
	/** Computes the value if `default` is null and nothing is set. */
	unset?: (machine: Machine) => Value;
	/** How the table describes a computed default. */
	unsetText?: string;
	/** One line, for `--help` and the table. */
	meaning: string;
	/**
	 * The value is never shown, not even in an error message. It can also be given in a file, by the first variable's name or flag with
	 * `_FILE`, or as a credential of systemd of the variable's name.
	 */
	secret?: boolean;
}

/** What computed defaults depend on. */
export interface Machine {
	cores: number;
}

/** A kind of value: what it accepts, in words that complete "expected …", and how it is read. */
export interface ValueKind<Value> {
	accepts: string;
	/**
	 * @throws RangeError if the text is not such a value; its message, if there is one, completes "expected …" instead of
	 *   `accepts`
	 */
	parse: (text: string) => Value;
	/** The flag may stand without a value, which means true. */
	isSwitch?: boolean;
	/** How the text of a file is read, if not like a value that is given directly. `parse`'s errors. */
	parseFile?: (text: string) => Value;
	/** The parts of a secret value that must not be shown; without it the value, which is a text. */
	secretsIn?(value: Value): readonly string[];
}

/** Where a server listens. */
export interface Bind {
	/** `::` for every address of both families. */
	host: string;
	/** 0 lets the system choose. */
	port: number;
}

/** Addresses to listen at that stand for all of the machine's, so for this one too. */
const ALL_ADDRESSES = ["::", "0.0.0.0", ""];

/** The origin at which a program on the same machine reaches a server of ours. */
export function localOrigin({ host, port }: Bind): string {
	const address = ALL_ADDRESSES.includes(host) ? "127.0.0.1" : host;
	return `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** How many messages may pass in each second, each hour and each day: in any such time, not only by the clock. */
export interface EventLimits {
	perS: number;
	perHour: number;
	perDay: number;
}

const DURATION_UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const BYTE_UNITS = { "": 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** `true` or `1`, `false` or `0`, in upper or lower case. */
export const yesOrNo: ValueKind<boolean> = {
	accepts: "`true` or `false`",
	isSwitch: true,
	parse(text) {
		const lower = text.toLowerCase();
		if (lower === "true" || lower === "1") return true;
		if (lower === "false" || lower === "0") return false;
		throw new RangeError();
	},
};

/** A whole number in decimal digits. */
export function wholeNumber(min: number, max: number): ValueKind<number> {
	return {
		accepts: `a whole number from ${min} to ${max}`,
		parse: (text) => within(/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN, min, max),
	};
}

/** A duration in Go's syntax, such as `72h`, `1h30m` or `500ms`. In milliseconds. */
export function duration(minMs: number, maxMs: number): ValueKind<number> {
	return {
		accepts: `a duration such as 72h, 1h30m or 500ms, from ${minMs} ms to ${maxMs / DURATION_UNITS_MS.h} h`,
		parse(text) {
			if (!/^(\d{1,15}(\.\d{1,9})?(ms|s|m|h))+$/.test(text)) throw new RangeError();
			let totalMs = 0;
			for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g))
				totalMs += Number(amount) * DURATION_UNITS_MS[unit as keyof typeof DURATION_UNITS_MS];
			return within(Math.round(totalMs), minMs, maxMs);
		},
	};
}

/** A number of bytes, such as `268435456` or `256MiB`. */
export function byteCount(min: number, max: number): ValueKind<number> {
	return {
		accepts: `bytes such as 268435456, 512KiB, 256MiB or 1GiB, from ${min} to ${max}`,
		parse(text) {
			const [, amount, unit] = /^(\d{1,16}) ?(B|KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
			if (amount === undefined) throw new RangeError();
			return within(Number(amount) * BYTE_UNITS[(unit ?? "") as keyof typeof BYTE_UNITS], min, max);
		},
	};
}

/** The greatest limit of messages. */
export const EVENTS_MAX = 1_000_000_000_000;

/** Three limits, such as `50/s,2500/h,20000/d`, or `none`. */
export const eventLimits: ValueKind<EventLimits | null> = {
	accepts: "limits such as 50/s,2500/h,20000/d, or `none`",
	parse(text) {
		if (text.toLowerCase() === "none") return null;
		const [, perS, perHour, perDay] = /^(\d{1,16})\/s, ?(\d{1,16})\/h, ?(\d{1,16})\/d$/.exec(text) ?? [];
		const limit = (digits: string | undefined) => within(Number(digits), 1, EVENTS_MAX);
		return { perS: limit(perS), perHour: limit(perHour), perDay: limit(perDay) };
	},
};

/** How the account limit of a host grows. */
export interface AccountGrowth {
	/** Accounts for each day on which the host's messages were good. */
	perDay: number;
	/** The limit at which growth ends. */
	max: number;
}

/** The greatest limit of accounts. */
export const ACCOUNTS_MAX = 100_000_000;

/** How many accounts a day, and up to how many, such as `10/d,1000`, or `none`. */
export const accountGrowth: ValueKind<AccountGrowth | null> = {
	accepts: "accounts a day and the limit at which growth ends, such as 10/d,1000, or `none`",
	parse(text) {
		if (text.toLowerCase() === "none") return null;
		const [, perDay, max] = /^(\d{1,9})\/d, ?(\d{1,9})$/.exec(text) ?? [];
		return { perDay: within(Number(perDay), 1, ACCOUNTS_MAX), max: within(Number(max), 1, ACCOUNTS_MAX) };
	},
};

/** Domains that a list may have. */
const DOMAINS_MAX = 1_000;

/** Host names, or what they end with after a `*`, separated by commas. An empty list is `none`. */
export const domains: ValueKind<readonly string[]> = {
	accepts: "host names separated by commas, such as pds.example.com,*.example.net, or `none`",
	parse(text) {
		const lower = text.toLowerCase();
		if (lower === "none") return [];
		const names = lower.split(",").map((name) => name.trim());
		if (names.length > DOMAINS_MAX || !names.every((name) => /^(\*|\*?[a-z0-9.-]+(:\d{1,5})?)$/.test(name)))
			throw new RangeError();
		return names;
	},
};

/** One of a few words. `aliases` maps other spellings to them. */
export function oneOf<const Word extends string>(
	words: readonly Word[],
	aliases: Readonly<Record<string, Word>> = {},
): ValueKind<Word> {
	return {
		accepts: words.map((word) => `\`${word}\``).join(" or "),
		parse(text) {
			const lower = text.toLowerCase();
			const word = words.find((candidate) => candidate === lower) ?? aliases[lower];
			if (word === undefined) throw new RangeError();
			return word;
		},
	};
}

/** `:2470` for all addresses, IPv4 and IPv6, or `127.0.0.1:2470`, `[::1]:2470`, `localhost:2470`. */
export const bind: ValueKind<Bind> = {
	accepts: "`:PORT` for all addresses of both families, or `ADDRESS:PORT`, with an IPv6 address in brackets",
	parse(text) {
		const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text) ?? [];
		return {
			host: bracketed ?? (plain || "::"),
			port: within(port === undefined ? Number.NaN : Number(port), 0, 65_535),
		};
	},
};

/** A folder or file. */
export const path: ValueKind<string> = {
	accepts: "a path",
	parse(text) {
		if (text.includes("\0")) throw new RangeError();
		return text;
	},
};

/** The URL of a web server, without a path. The value is its origin. */
export const origin: ValueKind<string> = {
	accepts: "an http:// or https:// URL without path or query",
	parse(text) {
		const url = URL.parse(text);
		const hasMore = url === null || url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "";
		if (hasMore || (url.protocol !== "http:" && url.protocol !== "https:")) throw new RangeError();
		return url.origin;
	},
};

/** The URL of a service, which may have a path. */
export const serviceUrl: ValueKind<string> = {
	accepts: "an http:// or https:// URL without a user",
	parse(text) {
		const url = URL.parse(text);
		const hasMore = url === null || url.hash !== "" || url.username !== "" || url.password !== "";
		if (hasMore || (url.protocol !== "http:" && url.protocol !== "https:")) throw new RangeError();
		return url.href;
	},
};

/** A part of a whole, such as `0.01`. */
export const share: ValueKind<number> = {
	accepts: "a number from 0 to 1, such as 0.01",
	parse: (text) => within(/^\d{1,3}(\.\d{1,12})?$/.test(text) ? Number(text) : Number.NaN, 0, 1),
};

/** A short name. */
export const name: ValueKind<string> = {
	accepts: "a name of at most 100 characters",
	parse(text) {
		if (text.length > 100) throw new RangeError();
		return text;
	},
};

const ORIGINS_MAX = 20;

/** URLs of web servers, without paths, separated by commas. */
export const origins: ValueKind<readonly string[]> = {
	accepts: `up to ${ORIGINS_MAX} http:// or https:// URLs without path or query, separated by commas`,
	parse(text) {
		const all = text.split(",").map((one) => origin.parse(one.trim()));
		if (all.length > ORIGINS_MAX) throw new RangeError();
		return [...new Set(all)];
	},
};

/** Where the index database is: a URL whose scheme says which kind of store it is. */
export const indexUrl: ValueKind<string> = {
	accepts:
		"`sqlite://PATH`, such as sqlite://data/index.sqlite or sqlite:///var/lib/standpipe/index.sqlite, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
	parse(text) {
		if (isPostgresUrl(text)) parsePostgresUrl(text);
		else if (!/^sqlite:\/\/[^?#\0]+$/.test(text)) throw new RangeError();
		return text;
	},
	secretsIn(text) {
		const password = isPostgresUrl(text) ? parsePostgresUrl(text).password : null;
		return password === null ? [] : [password, new URL(text).password];
	},
};

/** Passwords that may hold at once. */
const PASSWORDS_MAX = 100;

/** Passwords, separated by commas. Spaces around them are left out, as the reference relay does. In a file each line is one. */
export const passwords: ValueKind<readonly string[]> = {
	accepts: `up to ${PASSWORDS_MAX} passwords separated by commas, none of them empty`,
	parse(text) {
		const all = text.split(",").map((one) => one.trim());
		if (all.length > PASSWORDS_MAX || all.includes("")) throw new RangeError();
		return all;
	},
	parseFile(text) {
		const all = text.split(/\r?\n/).filter((line) => line !== "");
		if (all.length > PASSWORDS_MAX) throw new RangeError(`up to ${PASSWORDS_MAX} passwords, one a line`);
		return all;
	},
	secretsIn: (all) => all,
};

function within(value: number, min: number, max: number): number {
	if (!(value >= min && value <= max)) throw new RangeError();
	return value;
}
