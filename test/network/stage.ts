import { Account } from "./account.ts";
import { CONSUMER_NAMES, Consumer, type ConsumerName } from "./consumer.ts";
import { DirectoryTap } from "./directory-tap.ts";
import { asAtprotoSyncTellsIt, asRelayed, describeEvent, type FirehoseEvent } from "./event.ts";
import { HostFirehose } from "./host-firehose.ts";
import { bootNet, type Net } from "./net.ts";
import type { Pds } from "./pds.ts";
import { Relay } from "./relay.ts";
import type { Tools } from "./tools.ts";
import { until } from "./until.ts";

const PDS_COUNT = 2;
const TRUTH_DEADLINE_MS = 240_000;
const ARRIVAL_DEADLINE_MS = 240_000;

/** One PDS, whose firehose the test reads too. */
interface Watched {
	pds: Pds;
	firehose: HostFirehose;
	/** The account that writes the marks which show how far the firehose was read. */
	marker: Account;
	/** Seqs of events that a relay must not pass on. */
	dropped: Set<number>;
	isDown: boolean;
	/** Whether the relay follows it. */
	isFollowed: boolean;
}

export interface StageOptions {
	/** Settings of the relay, as environment variables. */
	relay?: Readonly<Record<string, string>>;
	/** How many of the PDSes the relay follows from the start. */
	followed?: number;
}

/** Everything that the network test uses: two PDSes, the relay, three consumers, and the PDSes' firehoses to compare them with. */
export class Stage {
	readonly net: Net;
	/** The relay's way to the PLC directory. */
	readonly directory: DirectoryTap;
	readonly relay: Relay;
	readonly consumers: Readonly<Record<ConsumerName, Consumer>>;
	readonly #watched: readonly Watched[];
	/** Accounts whose events are not compared with what their PDSes say. */
	readonly #apart = new Set<string>();
	readonly #node: string;

	private constructor(
		net: Net,
		{ directory, relay }: { directory: DirectoryTap; relay: Relay },
		watched: readonly Watched[],
		node: string,
	) {
		this.net = net;
		this.directory = directory;
		this.relay = relay;
		this.#watched = watched;
		this.#node = node;
		this.consumers = Object.fromEntries(CONSUMER_NAMES.map((name) => [name, this.connect(name)])) as Stage["consumers"];
	}

	/** Sets up all of it. Nothing is written before the relay and the readers are connected. */
	static async set({ node, relay: command }: Tools, options: StageOptions = {}): Promise<Stage> {
		const { relay: settings = {}, followed = PDS_COUNT } = options;
		const net = await bootNet(node, PDS_COUNT);
		const directory = new DirectoryTap(net.plcOrigin);
		const relay = await Relay.start(command, { RELAY_PLC_HOST: directory.origin, ...settings });
		await relay.addHosts(net.pdses.slice(0, followed).map(({ hostname }) => hostname));
		const watched = await Promise.all(net.pdses.map((pds, at) => watch(pds, at < followed)));
		return new Stage(net, { directory, relay }, watched, node);
	}

	/** Connects one more consumer, which gets all of the log, or what is after a cursor. */
	connect(name: ConsumerName, cursor = 0): Consumer {
		const { relay, net } = this;
		return new Consumer({ name, node: this.#node, service: relay.service, plcOrigin: net.plcOrigin, cursor });
	}

	async clear(): Promise<void> {
		for (const { firehose } of this.#watched) firehose.close();
		await Promise.all(Object.values(this.consumers).map((consumer) => consumer.stop()));
		await this.relay.stop();
		await this.directory.stop();
		await this.net.stop();
	}

	/** Waits until the test's readers of the PDSes' firehoses have all that the PDSes did so far. */
	async truthIsComplete(): Promise<void> {
		await Promise.all(
			this.#watched.map(async ({ pds, firehose, marker, isDown }) => {
				if (isDown) return;
				const { rev } = await marker.post("mark");
				await until(`the mark on the firehose of ${pds.hostname}`, TRUTH_DEADLINE_MS, () => {
					if (firehose.fault !== null) throw new Error(firehose.fault);
					return firehose.events.some((event) => event.kind === "commit" && event.rev === rev);
				});
			}),
		);
	}

	/** The events of an account from a PDS. */
	eventsAt(at: Pds, did: string): FirehoseEvent[] {
		return this.#watchedOf(at).firehose.events.filter((event) => event.did === did);
	}

	/** Declares that the relay must not pass on these events of a PDS. */
	expectDropped(at: Pds, events: readonly FirehoseEvent[]): void {
		for (const { seq } of events) this.#watchedOf(at).dropped.add(seq);
	}

	/** Leaves an account to the caller's own judgement: the relay adds events to its stream, or leaves some out. */
	judgeApart({ did }: { did: string }): void {
		this.#apart.add(did);
	}

	/** The events of a consumer, without those of accounts that are judged apart. */
	compared(events: readonly FirehoseEvent[]): FirehoseEvent[] {
		return events.filter(({ did }) => !this.#apart.has(did));
	}

	/** Lets the relay follow one more PDS, from now on: its past is not replayed. */
	async follow(pds: Pds): Promise<void> {
		await this.truthIsComplete();
		const watched = this.#watchedOf(pds);
		this.expectDropped(pds, watched.firehose.events);
		await this.relay.addHosts([pds.hostname]);
		watched.isFollowed = true;
	}

	/** Stops a PDS, after the test has read its firehose to the end. */
	async stopPds(pds: Pds): Promise<void> {
		await this.truthIsComplete();
		const watched = this.#watchedOf(pds);
		watched.isDown = true;
		watched.firehose.close();
		await pds.stop();
	}

	async startPds(pds: Pds): Promise<void> {
		const watched = this.#watchedOf(pds);
		await pds.start();
		await watched.firehose.open();
		watched.isDown = false;
	}

	/** The events that the relay must pass on, in each account's order, according to the PDSes. */
	expected(): FirehoseEvent[] {
		const all = this.#watched.flatMap(({ firehose, dropped, isFollowed }) =>
			isFollowed ? firehose.events.filter(({ seq }) => !dropped.has(seq)) : [],
		);
		return this.compared(all.sort((a, b) => a.heardAtMs - b.heardAtMs)).map(asRelayed);
	}

	/** Waits until each consumer has as much as the relay must have passed on by now. */
	async everythingArrives(): Promise<void> {
		await this.truthIsComplete();
		await Promise.all(Object.values(this.consumers).map((consumer) => this.#arrivesAt(consumer)));
	}

	/** The same for one consumer. */
	async #arrivesAt(consumer: Consumer): Promise<void> {
		const expected = consumer.name === "atproto-sync" ? asAtprotoSyncTellsIt(this.expected()) : this.expected();
		await until(
			`${expected.length} events at ${consumer.name}`,
			ARRIVAL_DEADLINE_MS,
			() => missingIn(consumer.events, expected).length === 0,
			async () => ({
				missing: missingIn(consumer.events, expected).slice(0, 10),
				faults: consumer.faults.slice(0, 3),
				connections: consumer.connections.slice(-5),
				rejected: await this.relay.rejections().catch(String),
				relay: this.relay.log.split("\n").slice(-5),
			}),
		);
	}

	#watchedOf(pds: Pds): Watched {
		const watched = this.#watched.find((one) => one.pds === pds);
		if (watched === undefined) throw new RangeError(`${pds.hostname} is not on this stage`);
		return watched;
	}
}

async function watch(pds: Pds, isFollowed: boolean): Promise<Watched> {
	const firehose = new HostFirehose(pds.hostname);
	await firehose.open();
	const marker = await Account.create(pds, "marker");
	return { pds, firehose, marker, dropped: new Set(), isDown: false, isFollowed };
}

/** Expected events that did not arrive as often as expected. */
function missingIn(arrived: readonly FirehoseEvent[], expected: readonly FirehoseEvent[]): string[] {
	const counts = new Map<string, number>();
	const keyOf = (event: FirehoseEvent): string => `${event.did} ${describeEvent(event)}`;
	for (const event of arrived) counts.set(keyOf(event), (counts.get(keyOf(event)) ?? 0) + 1);
	return expected.map(keyOf).filter((key) => {
		const left = counts.get(key) ?? 0;
		counts.set(key, left - 1);
		return left === 0;
	});
}
