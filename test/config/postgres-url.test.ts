import { expect, test } from "bun:test";
import { parsePostgresUrl } from "../../src/config/postgres-url.ts";
import { Rng } from "../../src/sim/rng.ts";

const ODD = [..."aZ09#/@:?&=%+ '\"\\[]{}|^~äß💧\t\n"];

function odd(rng: Rng): string {
	return Array.from({ length: 1 + rng.int(12) }, () => rng.pick(ODD)).join("");
}

test("a URL gives back its parts, whatever is in them", () => {
	const rng = new Rng("URLs of PostgreSQL");
	for (let round = 0; round < 2_000; round++) {
		const [user, password, options] = [odd(rng), odd(rng), odd(rng)];
		const database = odd(rng).replaceAll("/", "_");
		const host = rng.pick(["db", "db.example.com", "10.0.0.7", "::1", "/run/postgresql"]);
		const port = 1 + rng.int(65_535);
		const authority = host === "::1" ? "[::1]" : host.startsWith("/") ? "" : host;
		const parameters = new URLSearchParams({ options, ...(host.startsWith("/") ? { host } : {}) });
		const at =
			authority === "" ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@${authority}:${port}`;
		const url = parsePostgresUrl(`postgres://${at}/${encodeURIComponent(database)}?${parameters}`);
		expect(url).toMatchObject({ host, database, sessionOptions: options, tlsMode: "prefer" });
		if (at !== "") expect(url).toMatchObject({ user, password, port });
	}
});

test("what a URL leaves out has a default", () => {
	expect(parsePostgresUrl("postgresql://db/relay")).toEqual({
		host: "db",
		port: 5432,
		database: "relay",
		user: null,
		password: null,
		tlsMode: "prefer",
		rootCertificatePath: null,
		certificatePath: null,
		keyPath: null,
		sessionOptions: null,
	});
	const tls = "sslmode=verify-ca&sslrootcert=/ca.pem&sslcert=/relay.pem&sslkey=/relay.key";
	expect(parsePostgresUrl(`postgres://db/relay?${tls}`)).toMatchObject({
		tlsMode: "verify-ca",
		rootCertificatePath: "/ca.pem",
		certificatePath: "/relay.pem",
		keyPath: "/relay.key",
	});
	const system = "postgres://db/relay?sslmode=verify-full&sslrootcert=system";
	expect(parsePostgresUrl(system)).toMatchObject({ tlsMode: "verify-full", rootCertificatePath: null });
});
