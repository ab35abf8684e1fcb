import { isKnown } from "../account/status.ts";
import type { Control } from "../control/api.ts";
import type { AccountView, ControlView, IdentityView, Told, WhyQuestion } from "../control/why.ts";
import { resolutionOfStored } from "../identity/facts.ts";
import type { IndexReader } from "../index/store.ts";
import { storeFaultReason } from "../index/store-fault.ts";
import { networkOf } from "../net/network.ts";
import type { Requests } from "../runtime/requests.ts";
import { systemTiming, type Timing } from "../runtime/timing.ts";
import type { WhyFacts } from "./explain.ts";
import { identityViewOf } from "./identity-view.ts";

/** How long the index and the control thread may take. Together with a handle's lookup, less than a read of the public port may take. */
export const INDEX_MS_MAX = 1_000;
const CONTROL_MS_MAX = 1_800;

export interface InquiryOptions {
	/** Rejects at once if the index can't be read. */
	index: Pick<IndexReader, "account" | "identity">;
	control: Pick<Requests<Control>, "request">;
	allowInsecure: boolean;
	timing?: Timing;
}

/** Gathers what is known of an account or a host, on whichever thread it is. What can't be had in time is not told. */
export class Inquiry {
	readonly #options: InquiryOptions;
	readonly #timing: Timing;

	constructor(options: InquiryOptions) {
		this.#options = options;
		this.#timing = options.timing ?? systemTiming;
	}

	/** @param ip of whoever asks */
	async ofHost(hostname: string, ip: string): Promise<WhyFacts> {
		const view = await this.#ask({ did: null, hostname, hostId: null }, ip);
		return { did: null, view, account: { told: null }, identity: { told: null } };
	}

	/** @param ip of whoever asks */
	async ofAccount(did: string, ip: string): Promise<WhyFacts> {
		const { index } = this.#options;
		const [account, identity] = await Promise.all([
			this.#read(() => index.account(did)),
			this.#read(() => index.identity(did)),
		]);
		const row = mapTold(account, (found) => (found === null || !isKnown(found) ? null : found));
		const stored = mapTold(identity, (found) => {
			if (found === null) return null;
			return identityViewOf(resolutionOfStored(found, this.#options.allowInsecure), "index");
		});
		const question: WhyQuestion = {
			did,
			hostname: "told" in stored ? (stored.told?.pdsHost ?? null) : null,
			hostId: "told" in row ? (row.told?.host ?? null) : null,
		};
		const view = await this.#ask(question, ip);
		return { did, view, ...mergedWith(view, row, stored) };
	}

	async #ask(question: WhyQuestion, ip: string): Promise<Told<ControlView>> {
		const options = { timeoutMs: CONTROL_MS_MAX, client: networkOf(ip) };
		const reply = await this.#options.control.request("why", [question, { admin: false, ip }], options);
		if (!reply.answered) return { untold: "a part of the relay is busy and does not answer" };
		return reply.answer.ok ? { told: reply.answer.view } : { untold: reply.answer.message };
	}

	async #read<T>(read: () => Promise<T>): Promise<Told<T>> {
		const late = Promise.withResolvers<Told<T>>();
		const cancel = this.#timing.after(INDEX_MS_MAX, () =>
			late.resolve({ untold: "the index does not answer in time" }),
		);
		try {
			return await Promise.race([read().then((told) => ({ told })), late.promise]);
		} catch (error) {
			const reason = storeFaultReason(error);
			if (reason === null) throw error;
			return { untold: `the index can't be read (${reason})` };
		} finally {
			cancel();
		}
	}
}

function mapTold<T, U>(told: Told<T>, map: (value: T) => U): Told<U> {
	return "told" in told ? { told: map(told.told) } : told;
}

/** What a worker has in memory is newer than what the index has. */
function mergedWith(
	view: Told<ControlView>,
	account: Told<AccountView | null>,
	identity: Told<IdentityView | null>,
): Pick<WhyFacts, "account" | "identity"> {
	const worker =
		"told" in view && view.told.worker !== null && "told" in view.told.worker ? view.told.worker.told : null;
	return {
		account: worker?.account ? { told: worker.account } : account,
		identity: worker?.identity ? { told: worker.identity } : identity,
	};
}
