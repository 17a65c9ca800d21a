package io.syncbridge;

import java.time.Duration;

/**
 * What one acquire was granted and has not given back.
 *
 * @param token the fencing token of the grant
 * @param permits how many are held under it
 * @param byToken returned by its {@link Permit} only
 * @param heldFor since it was granted
 * @param participant the thread or task, for people
 * @param session its session, for people: "label@host:pid"
 */
public record PermitHolder(
    long token,
    long permits,
    boolean byToken,
    Duration heldFor,
    String participant,
    String session) {}
