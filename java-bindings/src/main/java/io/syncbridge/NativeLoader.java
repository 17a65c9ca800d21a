package io.syncbridge;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/** Finds and loads the native library; when that fails it says what was tried. */
final class NativeLoader {
  /** The system property that names a library file to load instead of the one in the jar. */
  static final String PROPERTY = "syncbridge.library";

  private NativeLoader() {}

  static void load() {
    String given = System.getProperty(PROPERTY);
    String resource = "/native/" + platform() + "/" + System.mapLibraryName("syncbridge_java");
    String tried =
        given == null ? resource + " in " + origin() : given + " (from -D" + PROPERTY + ")";
    try {
      if (given != null) {
        System.load(Path.of(given).toAbsolutePath().toString());
      } else {
        loadFromJar(resource);
      }
    } catch (IOException | UnsatisfiedLinkError e) {
      UnsatisfiedLinkError error =
          new UnsatisfiedLinkError(
              "the native library of syncbridge cannot be loaded on "
                  + platform()
                  + "; tried "
                  + tried
                  + ": "
                  + e.getMessage()
                  + "; use a jar that was built for this platform, or point -D"
                  + PROPERTY
                  + " at libsyncbridge_java");
      error.initCause(e);
      throw error;
    }
  }

  /** {@code linux-x86_64}, {@code linux-aarch64}, {@code macos-aarch64}. */
  static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String system = os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os;
    return system + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private static String origin() {
    var source = NativeLoader.class.getProtectionDomain().getCodeSource();
    return source == null ? "the jar" : String.valueOf(source.getLocation());
  }

  /**
   * The file is deleted as soon as it is mapped, so that a killed program leaves nothing behind.
   */
  private static void loadFromJar(String resource) throws IOException {
    try (InputStream library = NativeLoader.class.getResourceAsStream(resource)) {
      if (library == null) {
        throw new IOException("there is no such resource");
      }
      Path file = Files.createTempFile("syncbridge-", ".so");
      try {
        Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
        System.load(file.toString());
      } finally {
        Files.deleteIfExists(file);
      }
    }
  }
}
