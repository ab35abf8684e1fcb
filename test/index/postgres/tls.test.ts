import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "../../../src/index/postgres/database.ts";
import { StoreBroken } from "../../../src/index/store-fault.ts";
import { PostgresServer } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";

const hasOpenssl = Bun.which("openssl") !== null;
if (!hasOpenssl) console.warn("tls.test.ts is skipped: this machine has no openssl to make a certificate with");

describeWithPostgres("a server with TLS", (programs) => {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-tls-"));
	const certificate = join(folder, "server.pem");
	const key = join(folder, "server.key");
	let server: PostgresServer;
	let url: string;

	beforeAll(async () => {
		if (!hasOpenssl) return;
		const made = Bun.spawnSync([
			...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
			...["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
		]);
		expect(made.exitCode).toBe(0);
		chmodSync(folder, 0o755);
		chmodSync(key, 0o600);
		if (programs.user !== null) chownSync(key, programs.user.uid, programs.user.gid);
		server = await PostgresServer.start(programs);
		url = (await server.newDatabase()).url;
	}, 300_000);
	afterAll(async () => {
		if (hasOpenssl) await server.stop();
		rmSync(folder, { recursive: true });
	}, 300_000);

	/** Whether a session has TLS. */
	async function isSecure(parameters: string, host = "127.0.0.1"): Promise<boolean | undefined> {
		const database = new Database(`${url.replace("127.0.0.1", host)}${parameters}`, { name: "test", settings: {} });
		try {
			const [session] = await database.run(
				(sql) => sql<{ ssl: boolean }[]>`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`,
			);
			return session?.ssl;
		} finally {
			await database.close();
		}
	}

	test.skipIf(!hasOpenssl)(
		"is used if it has it, and believed only if its certificate is checked",
		async () => {
			expect(await isSecure("")).toBe(false);
			await server.sql(
				`ALTER SYSTEM SET ssl_cert_file = '${certificate}'`,
				`ALTER SYSTEM SET ssl_key_file = '${key}'`,
				"ALTER SYSTEM SET ssl = on",
			);
			await server.kill();
			await server.start();
			for (const mode of ["", "?sslmode=prefer", "?sslmode=require"]) expect(await isSecure(mode)).toBe(true);
			expect(await isSecure("?sslmode=disable")).toBe(false);
			const root = `sslrootcert=${encodeURIComponent(certificate)}`;
			expect(await isSecure(`?sslmode=verify-full&${root}`, "localhost")).toBe(true);
			expect(await isSecure(`?sslmode=verify-ca&${root}`)).toBe(true);
			// The address is not in the certificate.
			await expect(isSecure(`?sslmode=verify-full&${root}`)).rejects.toBeInstanceOf(StoreBroken);
			// Nobody whom the system trusts has signed it.
			await expect(isSecure("?sslmode=verify-full", "localhost")).rejects.toThrow("self signed");
		},
		60_000,
	);
});
