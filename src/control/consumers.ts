import type { ControlResult, Requester } from "./answer.ts";

/** A consumer that is connected, as an operator sees it. */
export interface ConsumerReport {
	/** Rises with each consumer, and is of one consumer only as long as the relay runs. */
	id: number;
	/** The address that it is counted for. */
	ip: string;
	/** What it says that it is; empty if it says nothing. Cut after `USER_AGENT_CHARS_MAX`. */
	userAgent: string;
	/** The name of its stream, such as `subscribeRepos`. */
	stream: string;
	/** Unix ms. */
	connectedAtMs: number;
	framesSent: number;
	bytesSent: number;
	/** Records of the log that it has not been sent yet; null until its place is found. May be too high. */
	lag: number | null;
	/** Frames a second over the last few seconds; null until a few have passed. */
	framesPerS: number | null;
	/** Bytes that wait in its socket's buffer. */
	bufferedBytes: number;
}

/** Of what a consumer says that it is. */
export const USER_AGENT_CHARS_MAX = 200;

/** What a fan-out thread can be asked about its consumers. */
export interface ConsumerService {
	/** Those with id > `afterId`, by id. */
	consumers(afterId: number, limit: number): Promise<ConsumerReport[]>;
	/** Closes a consumer after it has taken what is in its buffer. Resolves with what it was; null if it is not there. */
	dropConsumer(id: number): Promise<ConsumerReport | null>;
}

/** The part of `Control` by which an operator sees the consumers. */
export interface ConsumerControl {
	/** Consumers with id > `afterId`, by id. */
	consumers(afterId: number, limit: number, by: Requester): Promise<ControlResult<{ consumers: ConsumerReport[] }>>;
	/** Ends a consumer's connection. It may come back at once. Refused if there is none with this id. */
	dropConsumer(id: number, by: Requester): Promise<ControlResult>;
}
