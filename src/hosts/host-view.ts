import type { HostView } from "../control/why.ts";
import type { Ban } from "../policy/policies.ts";
import type { ManagedHost } from "./managed-host.ts";
import { faultOf } from "./state.ts";

/** What is told of a host to those who ask why its messages do not pass. */
export function hostViewOf({ hostname, driver }: Pick<ManagedHost, "hostname" | "driver">, ban: Ban | null): HostView {
	const { phase, connectedAtMs, lastEventMs, failures, nextAttemptMs, lastError } = driver.state;
	const fault = faultOf(driver.state);
	return {
		...{ hostname, phase, ban, connectedAtMs, lastEventMs, failures, nextAttemptMs },
		lastError:
			fault === null || lastError === null
				? null
				: { text: lastError.text.replace(/[.\s]+$/, ""), advice: fault.advice, atMs: lastError.atMs },
	};
}
