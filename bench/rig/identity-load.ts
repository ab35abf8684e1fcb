import { IdentityCache, type IdentityCacheOptions } from "../../src/identity/cache.ts";
import type { Asker } from "../../src/identity/lookup.ts";
import { DidResolver, type ResolverOptions } from "../../src/identity/resolver.ts";
import type { Counters } from "../../src/observe/counters.ts";
import { didOf } from "./many-accounts.ts";

/** Hosts that ask. Each may have only a part of the cache's lookups under way. */
export const ASKING_HOSTS = 8;

/** The name of an account's PDS. */
export function pdsOf(account: number, hosts: number): string {
	return `pds${account % hosts}.example.com`;
}

export interface IdentityLoadOptions {
	resolver: Pick<ResolverOptions, "plcUrl" | "fetch">;
	limits: NonNullable<IdentityCacheOptions["limits"]>;
	counters: Counters;
}

/** The relay's resolver and its cache, without an index. */
export class IdentityLoad {
	readonly #cache: IdentityCache;
	readonly #lookupsAtOnce: number;

	constructor({ resolver, limits, counters }: IdentityLoadOptions) {
		this.#lookupsAtOnce = limits.lookupsMax;
		this.#cache = new IdentityCache({
			resolver: new DidResolver({ ...resolver, allowInsecure: false, userAgent: "bench" }),
			stored: () => Promise.resolve(null),
			onResolved: () => {},
			counters,
			limits,
		});
	}

	/** Resolves so many accounts, as many at once as the cache lets through. `next` names them. */
	async resolve(count: number, next: () => number): Promise<void> {
		let left = count;
		const work = async (): Promise<void> => {
			while (left-- > 0) {
				const account = next();
				const host = account % ASKING_HOSTS;
				const asker: Asker = { hostId: host + 1, hostname: pdsOf(account, ASKING_HOSTS) };
				const { outcome } = await this.#cache.lookup(didOf(account), asker);
				if (outcome !== "resolved") throw new Error(`${didOf(account)} is ${outcome}`);
			}
		};
		await Promise.all(Array.from({ length: 2 * this.#lookupsAtOnce }, work));
	}
}
