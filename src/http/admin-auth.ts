import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { networkOf } from "../net/network.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { systemTiming, type Timing } from "../runtime/timing.ts";
import type { ClientEnv } from "./base.ts";
import { errorResponse } from "./response.ts";

const wrongPasswords = counter(
	"admin_wrong_passwords_total",
	"requests of the admin API with a wrong user or password",
	"If it grows and it was not you, somebody guesses: the log lines have the address. Keep it out, and let the admin API be reached from your network only.",
);
const adminsLimited = counter(
	"admin_limited_total",
	"requests of the admin API refused without a look at their password, since their address had sent too many wrong ones",
	"If it grows, somebody guesses passwords; behind a proxy set `RELAY_TRUST_PROXY`, or you may be locked out with them.",
);

/** How long the answer to a wrong password takes. */
export const WRONG_PASSWORD_MS = 1_000;
/** Answers that wait at once. Each holds a request open. */
export const WRONG_PASSWORDS_WAITING_MAX = 64;
/** Wrong passwords that one address may send at once, and then one in each interval. */
export const WRONG_PASSWORDS_BURST = 10;
const WRONG_PASSWORD_INTERVAL_S = 30;
/** Addresses that are remembered, at some 100 bytes each. */
const ADDRESSES_MAX = 20_000;
const LINE_INTERVAL_MS = 10_000;
/** Of a header that no password needs. */
const CREDENTIALS_CHARS_MAX = 4_096;

const REALM = 'Basic realm="standpipe", charset="UTF-8"';
const REQUIRED = "HTTP Basic authentication as `admin`, with a password of RELAY_ADMIN_PASSWORD, is required";

export interface AdminAuthOptions {
	/** Each of them opens the API. At least one. */
	passwords: readonly string[];
	counters: Counters;
	timing?: Timing;
}

/**
 * Lets requests through that have the user `admin` and one of the passwords. A wrong one costs its sender a second, and an
 * address that has sent many is refused for a while, whatever it sends. Each fan-out thread counts by itself.
 */
export function adminAuth({
	passwords,
	counters,
	timing = systemTiming,
}: AdminAuthOptions): MiddlewareHandler<ClientEnv> {
	const accepted = passwords.map((password) => digest(`admin:${password}`));
	const nowMs = (): number => timing.nowMs();
	const rate = new RateLimit({
		perS: 1 / WRONG_PASSWORD_INTERVAL_S,
		burst: WRONG_PASSWORDS_BURST,
		keysMax: ADDRESSES_MAX,
		nowMs,
	});
	const lines = new LogLimiter({ intervalMs: LINE_INTERVAL_MS, keysMax: 1, nowMs });
	let waiting = 0;
	const limited = (waitMs: number): Response => {
		counters.add(adminsLimited);
		return errorResponse(429, "RateLimitExceeded", "your address has sent too many wrong passwords, try again later", {
			"Retry-After": String(Math.ceil(waitMs / 1000)),
		});
	};
	return async ({ req, env }, next) => {
		const credentials = credentialsOf(req.header("Authorization"));
		if (credentials === null) return unauthorized();
		const address = networkOf(env.ip);
		// Before the password is looked at. Otherwise an address could go on guessing, and know when it is right.
		const waitMs = rate.waitMs(address);
		if (waitMs > 0) return limited(waitMs);
		if (isAccepted(credentials, accepted)) return next();
		rate.charge(address);
		counters.add(wrongPasswords);
		warn(lines, env.ip);
		if (waiting >= WRONG_PASSWORDS_WAITING_MAX) return limited(WRONG_PASSWORD_MS);
		waiting++;
		const { promise, resolve } = Promise.withResolvers<void>();
		timing.after(WRONG_PASSWORD_MS, resolve);
		await promise;
		waiting--;
		return unauthorized();
	};
}

function warn(lines: LogLimiter, ip: string): void {
	const omitted = lines.take("");
	if (omitted === null) return;
	logOf("http").warning("a request of {ip} for the admin API had a wrong user or password", {
		ip,
		...(omitted > 0 ? { omitted } : {}),
	});
}

function unauthorized(): Response {
	return errorResponse(401, "AuthenticationRequired", REQUIRED, { "WWW-Authenticate": REALM });
}

/** The user and password of a header, as `user:password`; null if there are none. */
function credentialsOf(header: string | undefined): string | null {
	if (header === undefined || header.length > CREDENTIALS_CHARS_MAX) return null;
	const [, base64] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header) ?? [];
	return base64 === undefined ? null : Buffer.from(base64, "base64").toString();
}

/** Takes the same time whichever of the passwords is the right one, and however much of one is right. */
function isAccepted(credentials: string, accepted: readonly Buffer[]): boolean {
	const given = digest(credentials);
	let matches = 0;
	for (const one of accepted) matches += timingSafeEqual(given, one) ? 1 : 0;
	return matches > 0;
}

/** Of one length for all texts, as the comparison needs it. */
function digest(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}
