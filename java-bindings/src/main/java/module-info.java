/** Queues, events and semaphores shared between processes and languages. */
module io.syncbridge {
  requires static com.fasterxml.jackson.databind;

  exports io.syncbridge;
}
