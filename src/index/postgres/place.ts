import { parsePostgresUrl } from "../../config/postgres-url.ts";

/** The name of a database in messages, without secrets. */
export function postgresPlace(url: string): string {
	const { host, port, database } = parsePostgresUrl(url);
	const at = host.includes(":") ? `[${host}]` : host;
	return `postgres://${at}:${port}/${database}`;
}
