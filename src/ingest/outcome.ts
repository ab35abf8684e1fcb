/**
 * How a message ended: rejected, or handed over as a record that ends at `position` of the ring of worker `ring`. After an
 * internal error the message's connection is closed.
 */
export type Outcome = { rejected: true; internalError: boolean } | { rejected: false; ring: number; position: number };

export const REJECTED: Outcome = { rejected: true, internalError: false };
export const FAILED: Outcome = { rejected: true, internalError: true };
