const SQLITE = "sqlite://";

/** What depends on the kind of the index's database. */
export interface ByScheme<Kind> {
	sqlite: Kind;
	postgres: Kind;
}

/** What belongs to a URL of the index, by its scheme: `sqlite`, or `postgres` and `postgresql`. */
export function byScheme<Kind>(kinds: ByScheme<Kind>, url: string): Kind {
	const scheme = url.slice(0, url.indexOf(":"));
	if (scheme === "sqlite") return kinds.sqlite;
	if (scheme === "postgres" || scheme === "postgresql") return kinds.postgres;
	throw new RangeError(`no store is known for a URL that begins like ${url.slice(0, 12)}`);
}

/** The path in a URL with the scheme `sqlite`. */
export function sqlitePath(url: string): string {
	return url.slice(SQLITE.length);
}
