import type { EventLimits } from "../config/setting.ts";
import type { HostFacts } from "../log/record/control.ts";
import type { HostConnection } from "../log/record/host-connection.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import type { HostDriver } from "./host-driver.ts";
import { connectionOf, detailOf, type HostState, statusOf } from "./state.ts";

/** What the host manager knows of a host. */
export class ManagedHost {
	readonly id: number;
	readonly hostname: string;
	readonly insecure: boolean;
	/** The cursor that it had at the relay's start. Its worker knows the present one. */
	readonly startCursor: number | null;
	readonly driver: HostDriver;
	gaps: number;
	lastGap: string | null;
	/** When a gap last caused a record, in monotonic ms. */
	gapRecordedAtMs = Number.NEGATIVE_INFINITY;
	/** The limits of messages that its worker was last told; null for none. */
	limits: EventLimits | null = null;
	/** The status that the log has. */
	recordedStatus: HostStatus;

	constructor(facts: HostFacts, cursor: number | null, driver: HostDriver) {
		const { id, hostname, insecure, status, gaps, lastGap } = facts;
		this.id = id;
		this.hostname = hostname;
		this.insecure = insecure;
		this.startCursor = cursor;
		this.driver = driver;
		this.gaps = gaps;
		this.lastGap = lastGap;
		this.recordedStatus = status;
	}

	get status(): HostStatus {
		return statusOf(this.driver.state);
	}

	/** Why it has its status, and what can be done, for people. */
	get detail(): string {
		return detailOf(this.driver.state);
	}

	get connection(): HostConnection {
		return connectionOf(this.driver.state);
	}

	/** What a record says of it. */
	get facts(): HostFacts {
		const { id, hostname, insecure, status, gaps, lastGap, connection } = this;
		return { id, hostname, insecure, status, gaps, lastGap, connection };
	}
}

/** Orders hosts for a start: first those that have not failed, and among these and the others those that were active last. */
export function byActivity(a: ManagedHost, b: ManagedHost): number {
	const hasFailed = ({ driver }: ManagedHost): number => (driver.state.failures > 0 ? 1 : 0);
	return hasFailed(a) - hasFailed(b) || lastActiveMs(b.driver.state) - lastActiveMs(a.driver.state) || a.id - b.id;
}

function lastActiveMs({ lastEventMs, connectedAtMs }: HostState): number {
	return Math.max(lastEventMs ?? 0, connectedAtMs ?? 0);
}
