import type { Mutant } from "./table.ts";

const AUTH = ["http/admin-auth.test.ts"];
const ADMIN = ["http/admin.test.ts"];
const ROSTER = ["fanout/roster.test.ts"];
const FILE = ["relay/admin-passwords.test.ts"];

/** Faults in what the operator is shown, and faults by which somebody who is not the operator could use the admin API, or keep guessing its password. */
export const ADMIN_MUTANTS: readonly Mutant[] = [
	{
		name: "only the last password of the admin API counts",
		file: "http/admin-auth.ts",
		find: "matches += timingSafeEqual(given, one) ? 1 : 0",
		replace: "matches = timingSafeEqual(given, one) ? 1 : 0",
		tests: AUTH,
	},
	{
		name: "any user may have the password",
		file: "http/admin-auth.ts",
		find: "if (isAccepted(credentials, accepted)) return next();",
		replace: 'if (isAccepted(credentials.replace(/^[^:]*/, "admin"), accepted)) return next();',
		tests: ["http/admin-routes.test.ts"],
	},
	{
		name: "a wrong password is answered at once",
		file: "http/admin-auth.ts",
		find: "timing.after(WRONG_PASSWORD_MS, resolve);",
		replace: "resolve();",
		tests: AUTH,
	},
	{
		name: "any number of wrong passwords wait for their answers",
		file: "http/admin-auth.ts",
		find: "if (waiting >= WRONG_PASSWORDS_WAITING_MAX) return limited(WRONG_PASSWORD_MS);",
		replace: "",
		tests: AUTH,
	},
	{
		name: "the place of a wrong password that waits is never given back",
		file: "http/admin-auth.ts",
		find: "waiting--;",
		replace: "",
		tests: AUTH,
	},
	{
		name: "an address may guess passwords without end",
		file: "http/admin-auth.ts",
		find: "rate.charge(address);",
		replace: "",
		tests: AUTH,
	},
	{
		name: "an address that is limited learns whether a password is right",
		file: "http/admin-auth.ts",
		find: "if (waitMs > 0) return limited(waitMs);\n\t\tif (isAccepted(credentials, accepted)) return next();",
		replace: "if (isAccepted(credentials, accepted)) return next();\n\t\tif (waitMs > 0) return limited(waitMs);",
		tests: AUTH,
	},
	{
		name: "each address of an IPv6 network, and each way to write one, has guesses of its own",
		file: "http/admin-auth.ts",
		find: "const address = networkOf(env.ip);",
		replace: "const address = env.ip;",
		tests: AUTH,
	},
	{
		name: "each wrong password is a log line",
		file: "http/admin-auth.ts",
		find: "if (omitted === null) return;",
		replace: "",
		tests: AUTH,
	},
	{
		name: "pages of other origins may call the admin API",
		file: "http/admin.ts",
		find: "app.use(ADMIN_PATHS, sameOriginOnly, adminAuth(options));",
		replace: "app.use(ADMIN_PATHS, adminAuth(options));",
		tests: ADMIN,
	},
	{
		name: "pages of the relay's neighbours may call the admin API",
		file: "http/same-origin.ts",
		find: 'return site === "same-origin" || site === "none";',
		replace: 'return site !== "cross-site";',
		tests: ADMIN,
	},
	{
		name: "what an older browser says of the page's origin is not looked at",
		file: "http/same-origin.ts",
		find: "return origin === undefined || URL.parse(origin)?.host === host?.toLowerCase();",
		replace: "return origin !== host;",
		tests: ADMIN,
	},
	{
		name: "a preflight lets other origins send the password",
		file: "http/preflight.ts",
		find: "if (isAdminPath(context.req.path)) return crossOriginRefusal();",
		replace: "",
		tests: ADMIN,
	},
	{
		name: "an empty line of the file of passwords is an empty password",
		file: "relay/admin-passwords.ts",
		find: '.filter((line) => line !== "")',
		replace: "",
		tests: FILE,
	},
	{
		name: "two threads give their consumers the same ids",
		file: "fanout/roster.ts",
		find: "this.#nextId += workers;",
		replace: "this.#nextId++;",
		tests: ROSTER,
	},
	{
		name: "a consumer that has left is still listed",
		file: "fanout/roster.ts",
		find: "if (id !== undefined) this.#entries.delete(id);",
		replace: "",
		tests: ROSTER,
	},
	{
		name: "a consumer's rate is what it was sent since it connected",
		file: "fanout/roster.ts",
		find: "entry.measuredFrames = framesSent;",
		replace: "",
		tests: ROSTER,
	},
	{
		name: "a host's details have the row of the host beside it",
		file: "hosts/details.ts",
		find: "const afterId = (hosts[0]?.id ?? 0) - 1;",
		replace: "const afterId = hosts[0]?.id ?? 0;",
		tests: ["hosts/details.test.ts"],
	},
];
