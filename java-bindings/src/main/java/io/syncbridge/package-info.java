/**
 * Coordination between programs: a {@link io.syncbridge.Bridge} leads to queues, events and
 * semaphores that behave like those of {@code java.util.concurrent} and are shared with other
 * processes and languages.
 *
 * <p>Bridges and the objects they lead to are thread-safe, and no thread of the program waits
 * inside native code: it parks, so that virtual threads leave their carriers, thread dumps tell who
 * waits for what, and an interrupt arrives.
 *
 * <p>A method that throws {@link InterruptedException} waits for others, as long as it is told to.
 * An interrupt withdraws the call and loses nothing: either nothing of it remains, or it had taken
 * effect before, and then the method returns and the interrupt stays pending. The other methods
 * make a round trip to the server (none to a {@code mem:} bridge) and are not interruptible; the
 * interrupt stays pending.
 *
 * <p>Every method that makes a call may throw a {@link io.syncbridge.SyncBridgeException}: {@code
 * SHUT_DOWN} or {@code SESSION_EXPIRED} after {@link io.syncbridge.Bridge#close}, {@code
 * UNAVAILABLE} where the server could not be reached in time, {@code OUTCOME_UNKNOWN} where the
 * call left and its answer was lost, or an interrupt withdrew it and no answer came within a
 * second. A failed call has changed nothing, {@code OUTCOME_UNKNOWN} excepted.
 */
package io.syncbridge;
