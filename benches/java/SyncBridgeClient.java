import io.syncbridge.Bridge;
import io.syncbridge.BridgeQueue;
import io.syncbridge.Codec;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** syncbridge: a put is answered when the server has it, a get waits. */
final class SyncBridgeClient implements Peer.Client {
  private final Bridge bridge;
  private final Map<String, BridgeQueue<byte[]>> queues = new HashMap<>();

  SyncBridgeClient(String address) {
    bridge = Bridge.connect(address);
  }

  private BridgeQueue<byte[]> queue(String name) {
    return queues.computeIfAbsent(name, key -> bridge.queue(key, Codec.bytes()));
  }

  @Override
  public void put(String queue, byte[] item) throws InterruptedException {
    queue(queue).put(item);
  }

  @Override
  public byte[] get(String queue) throws InterruptedException {
    return queue(queue).take();
  }

  @Override
  public void putMany(String queue, List<byte[]> items) throws InterruptedException {
    queue(queue).putMany(items);
  }

  @Override
  public List<byte[]> getMany(String queue, int most) throws InterruptedException {
    return queue(queue).getMany(most, 1, Duration.ZERO, null);
  }

  @Override
  public void await(String event) throws InterruptedException {
    bridge.event(event).await();
  }
}
