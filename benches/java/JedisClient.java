import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.args.ListDirection;

/** Redis lists by Jedis, on one connection without a pool: LPUSH and BRPOP, variadic RPUSH and BLMPOP. */
@SuppressWarnings("deprecation") // Its successor takes a connection from a pool for each call.
final class JedisClient implements Peer.Client {
  private static final double FOREVER = 0;

  private final Jedis jedis;
  private final Map<String, byte[]> names = new HashMap<>();

  JedisClient(String address) {
    jedis = new Jedis(URI.create(address), 0);
  }

  private byte[] name(String queue) {
    return names.computeIfAbsent(queue, key -> key.getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public void put(String queue, byte[] item) {
    jedis.lpush(name(queue), item);
  }

  @Override
  public byte[] get(String queue) {
    return jedis.brpop(FOREVER, name(queue)).getValue();
  }

  @Override
  public void putMany(String queue, List<byte[]> items) {
    jedis.rpush(name(queue), items.toArray(new byte[0][]));
  }

  @Override
  public List<byte[]> getMany(String queue, int most) {
    return jedis.blmpop(FOREVER, ListDirection.LEFT, most, name(queue)).getValue();
  }

  @Override
  public void await(String event) {
    throw new UnsupportedOperationException("Redis has no events");
  }
}
