import { counter } from "../observe/metric.ts";
import { REJECTION_REASON_NAMES } from "../protocol/reasons.ts";

const byReason = { name: "reason", values: REJECTION_REASON_NAMES };

export const messagesRejected = counter(
	"messages_rejected_total",
	"messages dropped, by the rule they broke",
	"If one reason jumps, ask `/api/why?did=…` about an account in question; `docs/reasons.md` says what each reason means and whose fault it is.",
	byReason,
);
export const messagesLenient = counter(
	"messages_lenient_total",
	"messages passed on that only the strict rules would have dropped, by the rule they broke",
	"Tell the operators of the hosts: without lenient validation these messages would be dropped.",
	byReason,
);
