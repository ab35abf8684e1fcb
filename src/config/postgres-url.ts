/** How a connection is secured. The names and meanings are those of PostgreSQL's own programs. */
const TLS_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;

export type TlsMode = (typeof TLS_MODES)[number];

/** A PostgreSQL database, and how to get in. */
export interface PostgresUrl {
	/** A name or an address, or the folder of a Unix socket. */
	host: string;
	port: number;
	database: string;
	/** Null for the default of PostgreSQL's programs: `PGUSER`, or the user of this process. */
	user: string | null;
	/** Null for `PGPASSWORD`, or none. Never shown. */
	password: string | null;
	tlsMode: TlsMode;
	/** File of the certificates that sign the server's; null for those that the system trusts. */
	rootCertificatePath: string | null;
	/** Files of the certificate and key that this client shows. */
	certificatePath: string | null;
	keyPath: string | null;
	/** Further settings of the session, such as `-csearch_path=relay`. */
	sessionOptions: string | null;
}

const PORT_DEFAULT = 5432;
const PARAMETERS = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "options"];
/** As `sslrootcert`: the certificates that the system trusts. */
const SYSTEM = "system";

/**
 * Reads a URL of a PostgreSQL database.
 *
 * @throws RangeError if it is none; the message completes "expected …", and shows no part of the URL that may be secret
 */
export function parsePostgresUrl(text: string): PostgresUrl {
	const url = URL.parse(text);
	if (url === null || !isPostgresUrl(text) || url.hash !== "" || text.includes("\0"))
		throw new RangeError(
			"`postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with characters such as `#`, `/` and `@` in the password as `%23`, `%2F` and `%40`",
		);
	const parameters = readParameters(url);
	const host = parameters.get("host") ?? decoded(url.hostname).replace(/^\[(.*)\]$/, "$1");
	if (host === "" || host.includes(","))
		throw new RangeError("the name of one host in it: that of the server that takes writes");
	const database = decoded(url.pathname.slice(1));
	if (database === "" || database.includes("/")) throw new RangeError("the name of a database after the host");
	const tlsMode = readTlsMode(parameters.get("sslmode") ?? null, parameters.get("sslrootcert") ?? null);
	const rootCertificate = parameters.get("sslrootcert") ?? null;
	return {
		host,
		port: url.port === "" ? PORT_DEFAULT : Number(url.port),
		database,
		user: url.username === "" ? null : decoded(url.username),
		password: url.password === "" ? null : decoded(url.password),
		tlsMode,
		rootCertificatePath: rootCertificate === SYSTEM ? null : rootCertificate,
		certificatePath: parameters.get("sslcert") ?? null,
		keyPath: parameters.get("sslkey") ?? null,
		sessionOptions: parameters.get("options") ?? null,
	};
}

/** Whether the scheme is one of PostgreSQL's two. */
export function isPostgresUrl(text: string): boolean {
	return /^postgres(ql)?:\/\//.test(text);
}

function readParameters(url: URL): Map<string, string> {
	const parameters = new Map(url.searchParams);
	for (const name of parameters.keys())
		if (!PARAMETERS.includes(name))
			throw new RangeError(`no other parameters in it than ${PARAMETERS.map((known) => `\`${known}\``).join(", ")}`);
	return parameters;
}

function readTlsMode(given: string | null, rootCertificate: string | null): TlsMode {
	const mode = TLS_MODES.find((known) => known === given);
	if (given !== null && mode === undefined)
		throw new RangeError(`one of ${TLS_MODES.map((known) => `\`${known}\``).join(", ")} as its \`sslmode\``);
	const verifies = mode === "verify-ca" || mode === "verify-full";
	if (rootCertificate !== null && !verifies)
		throw new RangeError("`sslmode=verify-full` or `sslmode=verify-ca` in it, since it has an `sslrootcert`");
	return mode ?? "prefer";
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		throw new RangeError("every `%` in it as `%25`, or followed by two hexadecimal digits");
	}
}
