package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who waits and holds. */
@Timeout(60)
class ParticipantsTest {
  @Test
  void threadsThatLiveAreDifferentOnes() throws Exception {
    Connection connection = Connection.open("mem:", ConnectOptions.DEFAULT);
    Participants participants = connection.participants;
    int mine = participants.current();
    assertNotEquals(mine, Threading.run(participants::current).get());
    System.gc();
    assertEquals(mine, participants.current());
    connection.close(0);
  }

  @Test
  void threadsThatEndedAreSucceeded() throws Exception {
    Connection connection = Connection.open("mem:", ConnectOptions.DEFAULT);
    Set<Integer> seen = new HashSet<>();
    while (seen.add(Threading.run(connection.participants::current).get())) {
      System.gc();
    }
    connection.close(0);
  }
}
