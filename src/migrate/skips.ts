import { storable } from "../protocol/text.ts";

/** What of another relay's state can't be taken over, and what is done instead. The names are stable: `--json` prints them. */
export const SKIP_REASONS = {
	"host-name": "hosts are left out: no host that this relay may follow has such a name",
	"host-id": "hosts are left out: their id is beyond what this relay can hold",
	"host-twice": "hosts are left out: another has the same name in other letters",
	"host-status": "hosts have a status that is not known: they are followed",
	"host-cursor": "hosts have a cursor that is no seq: they are followed from their live end",
	"host-limit": "hosts have an account limit that is no count: the general one holds",
	domain: "banned domains are left out: they are no names of domains",
	did: "accounts are left out: no account can have such a DID",
	"account-host": "accounts are left out: their host is not taken over. If they are taken down, they stay so",
	"local-status": "accounts have a local status that is not known: none is set",
	"upstream-status": "accounts have a status at their host that is no text for one: they are inactive without one",
	repo: "accounts have a rev or CIDs that are none: their next commit is taken for their first",
} as const;

export type SkipReason = keyof typeof SKIP_REASONS;

/** How often something was skipped, and the first that were. */
export interface Skipped {
	readonly reason: SkipReason;
	readonly count: number;
	/** Texts of strangers, each cut to `NAME_CHARS_MAX` characters. */
	readonly first: readonly string[];
}

/** So many are named for each reason. */
export const NAMES_MAX = 5;
const NAME_CHARS_MAX = 200;

/** Counts what is skipped. Its memory does not depend on how much that is. */
export class Skips {
	readonly #byReason = new Map<SkipReason, { count: number; first: string[] }>();

	/** @param names what it is about; null is a value that is absent */
	note(reason: SkipReason, ...names: readonly (string | null)[]): void {
		const noted = this.#byReason.get(reason) ?? { count: 0, first: [] };
		this.#byReason.set(reason, noted);
		noted.count++;
		if (noted.first.length < NAMES_MAX) noted.first.push(names.map(shown).join(": "));
	}

	list(): Skipped[] {
		return Array.from(this.#byReason, ([reason, { count, first }]) => ({ reason, count, first }));
	}
}

function shown(name: string | null): string {
	return name === null ? "nothing" : storable(name.slice(0, NAME_CHARS_MAX));
}
