import { expect, test } from "bun:test";
import { postgresFault } from "../../../src/index/postgres/fault.ts";
import { StoreBroken, StoreUnavailable, storeFaultReason } from "../../../src/index/store-fault.ts";

const PLACE = "postgres://db:5432/relay";

function failure(code: string, message = "by the test"): Error {
	return Object.assign(new Error(message), { code, query: "SELECT secret", parameters: ["secret"] });
}

test.each([
	["08006", "database-unreachable"],
	["08P01", "database-unreachable"],
	["25006", "database-read-only"],
	["25P03", "database-slow"],
	["25P04", "database-slow"],
	["40001", "database-slow"],
	["40P01", "database-slow"],
	["53100", "database-full"],
	["53200", "database-full"],
	["53300", "database-unreachable"],
	["55P03", "database-slow"],
	["57014", "database-slow"],
	["57P01", "database-unreachable"],
	["57P03", "database-unreachable"],
	["57P05", "database-unreachable"],
	["58030", "database-unreachable"],
	["CONNECTION_CLOSED", "database-unreachable"],
	["CONNECTION_DESTROYED", "database-unreachable"],
	["CONNECT_TIMEOUT", "database-unreachable"],
	["ECONNREFUSED", "database-unreachable"],
	["ECONNRESET", "database-unreachable"],
	["EPIPE", "database-unreachable"],
	["ENOTFOUND", "database-unreachable"],
	["EMFILE", "too-many-files"],
])("%s is waited for as %s", (code, reason) => {
	const fault = postgresFault(failure(code), PLACE, false);
	expect(fault).toBeInstanceOf(StoreUnavailable);
	expect(storeFaultReason(fault)).toBe(reason as never);
	expect(fault).toMatchObject({ message: `${PLACE}: by the test`, code });
	expect(Bun.inspect(fault)).not.toContain("secret");
});

test.each(["22021", "22003", "23505", "28P01", "28000", "3D000", "42P01", "42501", "57P04", "XX001", "0A000"])(
	"%s is final",
	(code) => {
		const fault = postgresFault(failure(code), PLACE, false);
		expect(fault).toBeInstanceOf(StoreBroken);
		expect(storeFaultReason(fault)).toBeNull();
		expect(Bun.inspect(fault)).not.toContain("secret");
	},
);

test.each(["28P01", "28000", "3D000"])("%s is waited for if the server has let the relay in before", (code) => {
	const fault = postgresFault(failure(code), PLACE, true);
	expect(fault).toBeInstanceOf(StoreUnavailable);
	expect(storeFaultReason(fault)).toBe("database-unreachable");
});

test.each(["42P01", "42501", "57P04", "XX001"])("%s is final whatever was before", (code) => {
	expect(postgresFault(failure(code), PLACE, true)).toBeInstanceOf(StoreBroken);
});

test("a pooler that does not take the session's settings is not waited for", () => {
	const fault = postgresFault(failure("08P01", "unsupported startup parameter: lock_timeout"), PLACE, false);
	expect(fault).toBeInstanceOf(StoreBroken);
});

test("errors of the store, and mistakes of the program, pass as they are", () => {
	for (const error of [new StoreBroken("so"), new StoreUnavailable("database-slow", "so"), new TypeError("so"), "so"])
		expect(postgresFault(error, PLACE, false)).toBe(error);
});
