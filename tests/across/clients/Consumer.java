import io.syncbridge.Bridge;
import io.syncbridge.BridgeQueue;
import io.syncbridge.Codec;
import io.syncbridge.SyncBridgeException;
import java.util.StringJoiner;

/** Consumer URL: takes numbers to the end of the queue, then says all of them in one line. */
final class Consumer {
  public static void main(String[] arguments) throws InterruptedException {
    StringJoiner taken = new StringJoiner(" ");
    try (Bridge bridge = Bridge.connect(arguments[0])) {
      BridgeQueue<Object> crowd = bridge.queue("crowd", Codec.values());
      System.out.println("ready");
      while (true) {
        taken.add(crowd.take().toString());
      }
    } catch (SyncBridgeException end) {
      if (end.reason() != SyncBridgeException.Reason.SHUT_DOWN) {
        throw end;
      }
      System.out.println(taken);
    }
  }
}
