/**
 * Coordination between programs: a {@link io.syncbridge.Bridge} leads to queues, events and
 * semaphores that behave like those of {@code java.util.concurrent} and are shared with other
 * processes and languages.
 */
package io.syncbridge;
