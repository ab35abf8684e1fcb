import { beforeEach, describe, expect, test } from "bun:test";
import { StoreBroken } from "../../src/index/store-fault.ts";
import type { DidState, Link } from "../../src/plc/chain.ts";
import { cidOf } from "../../src/plc/operation.ts";
import type { MirrorReader, MirrorStore, Progress } from "../../src/plc/store.ts";
import { newKey } from "../../src/sim/plc-operation.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyUtf8Text } from "../sim/any-text.ts";

/** A place for one mirror, in the store under test. */
export interface MirrorPlace {
	store(): Promise<MirrorStore>;
	reader(): Promise<MirrorReader>;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const PROGRESS: Progress = {
	directory: "https://plc.test",
	after: "17",
	readUntilMs: 1_700_000_000_001,
	completeUntilMs: 1_700_000_000_002,
};

/** A state with keys of all kinds, of any sizes that the limits allow. */
function randomState(rng: Rng): DidState {
	const keys = [newKey(rng).didKey, newKey(rng, "p256").didKey, "did:key:zNothing", "did:key:z1117", anyUtf8Text(rng)];
	const link = (): Link => ({
		cid: cidOf(rng.bytes(32)),
		createdAtMs: rng.int(2 ** 31) * 1_000,
		signer: rng.int(10),
		rotationKeys: Array.from({ length: rng.int(11) }, () => rng.pick(keys)),
	});
	return {
		did: `did:plc:${rng.text(24, ALPHABET)}`,
		data: {
			tombstoned: rng.int(5) === 0,
			signingKey: rng.int(5) === 0 ? null : rng.pick(keys),
			pds: rng.int(5) === 0 ? null : anyUtf8Text(rng),
		},
		chain: Array.from({ length: 1 + rng.int(rng.pick([2, 128])) }, link),
		isDoubtful: rng.int(3) === 0,
	};
}

/** What each store of the mirror must do. */
export function describeMirrorStore(name: string, newPlace: () => Promise<MirrorPlace>): void {
	describe(name, () => {
		let place: MirrorPlace;
		beforeEach(async () => {
			place = await newPlace();
		});

		test("a new mirror has no progress, and knows nothing", async () => {
			const store = await place.store();
			expect(await store.progress()).toBeNull();
			expect(await store.load(new Set([`did:plc:${"a".repeat(24)}`]))).toEqual(new Map());
			expect(await (await place.reader()).find(`did:plc:${"a".repeat(24)}`)).toBeNull();
			await store.close();
		});

		test("what is written is there again, also after the store was closed; no answer is given for a DID in doubt", async () => {
			const rng = new Rng("mirror states");
			const states = Array.from({ length: 200 }, () => randomState(rng));
			let store = await place.store();
			await store.progress();
			await store.write(states, PROGRESS);
			await store.close();
			store = await place.store();
			expect(await store.progress()).toEqual(PROGRESS);
			const loaded = await store.load(new Set(states.map(({ did }) => did)));
			expect([...loaded.values()].sort(byDid)).toEqual([...states].sort(byDid));
			const reader = await place.reader();
			for (const { did, data, isDoubtful } of states) {
				const { completeUntilMs } = PROGRESS;
				expect(await reader.find(did)).toEqual(isDoubtful ? null : { data, completeUntilMs });
			}
			await reader.close();
			await store.close();
		});

		test("a state replaces the one before, and the progress too", async () => {
			const rng = new Rng("replaced states");
			const first = { ...randomState(rng), isDoubtful: false };
			const second = { ...randomState(rng), did: first.did, isDoubtful: false };
			const store = await place.store();
			await store.progress();
			await store.write([first], PROGRESS);
			const later = { ...PROGRESS, after: "2024-03-01T00:00:00.000Z", completeUntilMs: 5 };
			await store.write([second], later);
			expect(await store.progress()).toEqual(later);
			expect(await (await place.reader()).find(first.did)).toEqual({ data: second.data, completeUntilMs: 5 });
			await store.close();
		});

		test("a second writer changes nothing once the first has written", async () => {
			const rng = new Rng("two writers");
			const [mine, theirs] = [randomState(rng), randomState(rng)];
			const [first, second] = [await place.store(), await place.store()];
			await first.progress();
			await second.progress();
			await first.write([mine], PROGRESS);
			const refused = await second.write([theirs], { ...PROGRESS, after: "1" }).catch((error: unknown) => error);
			expect(refused).toBeInstanceOf(StoreBroken);
			expect(await second.load(new Set([theirs.did]))).toEqual(new Map());
			expect(await first.progress()).toEqual(PROGRESS);
			await first.close();
			await second.close();
		});
	});
}

function byDid(a: DidState, b: DidState): number {
	return a.did < b.did ? -1 : 1;
}
