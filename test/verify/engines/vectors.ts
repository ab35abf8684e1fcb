import type { RejectionReason } from "../../../src/protocol/reasons.ts";
import { brokenCommit } from "../../../src/sim/broken-commit.ts";
import { sealSync, signCommit } from "../../../src/sim/commit.ts";
import type { SimCurve, SimKey } from "../../../src/sim/keys.ts";
import { encodeFrame, type SimMessage } from "../../../src/sim/message.ts";
import type { SelfTestVector } from "../../../src/verify/self-test-vectors.ts";
import { makeAccount } from "../seal.ts";

/**
 * Makes the vectors of the native engine's self-test, the same each time. If run as a script, it prints their source file:
 * `bun test/verify/engines/vectors.ts > src/verify/self-test-vectors.ts`.
 */
export async function makeVectors(): Promise<SelfTestVector[]> {
	const vectors: SelfTestVector[] = [];
	const add = (name: string, key: SimKey, message: SimMessage, reason: RejectionReason | null): void => {
		vectors.push({
			name,
			curve: key.curve,
			publicKey: Buffer.from(key.publicKey).toString("base64"),
			frame: Buffer.from(encodeFrame(message, 1)).toString("base64"),
			reason,
		});
	};
	for (const curve of ["k256", "p256"] as const satisfies readonly SimCurve[]) {
		const account = await makeAccount(`self-test ${curve}`, 8, curve);
		const { commit, time } = await account.draft([]);
		const syncWith = (alter: (signature: Uint8Array) => Uint8Array): Promise<SimMessage> =>
			sealSync(commit, signCommit(commit, account.key, alter), time);
		add(`a good ${curve} signature`, account.key, await syncWith((good) => good), null);
		add(
			`a wrong ${curve} signature`,
			account.key,
			await syncWith((good) => good.with(63, (good[63] ?? 0) ^ 1)),
			"signature-invalid",
		);
		add(
			`a ${curve} signature with a high s`,
			account.key,
			await syncWith((good) => account.key.withHighS(good)),
			"signature-high-s",
		);
		add(
			`a ${curve} signature that is too short`,
			account.key,
			await syncWith((good) => good.subarray(1)),
			"signature-encoding",
		);
	}
	const account = await makeAccount("self-test commit", 24);
	const bad = await brokenCommit("prev-data-mismatch", account);
	add("a commit with a forged prevData", account.key, bad, "prev-data-mismatch");
	add("a good commit", account.key, await account.commit(), null);
	return vectors;
}

if (import.meta.main) {
	console.log(`import type { RejectionReason } from "../protocol/reasons.ts";

/** A frame, in base64, and the reason that an engine must give for it. */
export interface SelfTestVector {
	name: string;
	curve: "k256" | "p256";
	/** Compressed point, in base64. */
	publicKey: string;
	frame: string;
	reason: RejectionReason | null;
}

/** Made by \`test/verify/engines/vectors.ts\`. */
export const SELF_TEST_VECTORS: readonly SelfTestVector[] = ${JSON.stringify(await makeVectors(), null, "\t")};`);
}
