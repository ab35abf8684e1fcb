/**
 * How a message ended: rejected, or handed over as an entry that ends at `position` in the ring of worker `ring`. After an
 * internal error the connection that the message came over is closed. A repeat was in the log already.
 */
export type Outcome =
	| { rejected: true; internalError: boolean; isRepeat: boolean }
	| { rejected: false; ring: number; position: number };

export const REJECTED: Outcome = { rejected: true, internalError: false, isRepeat: false };
/** It waited, and is asked for again. */
export const GIVEN_UP: Outcome = { rejected: true, internalError: false, isRepeat: false };
export const FAILED: Outcome = { rejected: true, internalError: true, isRepeat: false };
export const REPEATED: Outcome = { rejected: true, internalError: false, isRepeat: true };
