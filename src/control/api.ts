// control/: what other threads may ask of the control thread. The work itself is done by its owner, such as hosts/.

import type { ControlResult, Requester } from "./answer.ts";
import type { ConsumerControl } from "./consumers.ts";
import type { DashboardControl } from "./dashboard.ts";
import type { DelayedHost } from "./delays.ts";
import type { FailureControl } from "./failures.ts";
import type { HostDetailControl } from "./host-details.ts";
import type { HostControl } from "./hosts.ts";
import type { PolicyControl } from "./policy.ts";
import type { QuotaControl } from "./quota.ts";
import type { ControlView, WhyQuestion } from "./why.ts";

export { type ControlResult, type Refusal, type Requester, refusal } from "./answer.ts";

/**
 * The actions of the control thread, which has the hosts and decides what the relay does. Other threads call them by
 * `controlOver`. A new action is a line here, a method of its owner, such as `HostManager`, and an HTTP handler.
 *
 * The last argument of each action says who asks, so that the requests of every stranger are counted.
 */
export interface Control
	extends PolicyControl,
		HostControl,
		HostDetailControl,
		ConsumerControl,
		QuotaControl,
		FailureControl,
		DashboardControl {
	/** Asks the relay to follow a host, or to reconnect to it now. */
	requestCrawl(hostname: string, by: Requester): Promise<ControlResult>;
	/** For an operator: the hosts that are connected now. */
	connectedHosts(by: Requester): Promise<ControlResult<{ hostnames: string[] }>>;
	/** For an operator: ends the connection to a host, which is dialled anew. Refused if it is not connected. */
	dropHost(hostname: string, by: Requester): Promise<ControlResult>;
	/** For an operator: asks the relay to follow a known host from another cursor, or from its live end (null). */
	resetCursor(hostname: string, cursor: number | null, by: Requester): Promise<ControlResult>;
	/**
	 * What waits because of limits: of this host, or of all (null). Those that have waited longest come first. None for a host of
	 * which nothing waits, or that is not known.
	 */
	delayedHosts(hostname: string | null, by: Requester): Promise<ControlResult<{ hosts: DelayedHost[] }>>;
	/** What is known of why messages of an account or a host pass or don't. It takes about a second at most, whatever does not answer. */
	why(question: WhyQuestion, by: Requester): Promise<ControlResult<{ view: ControlView }>>;
}
