#include "lint/layers.hpp"

#include <catch2/catch.hpp>

using namespace epic::lint;

TEST_CASE("layers: a runtime file that includes the cluster is found", "[lint]") {
  const Tree tree = {{"runtime/node/node.cpp", "\n#include \"cluster/control/control_client.hpp\"\n"},
                     {"cluster/control/control_client.hpp", "#pragma once\n"}};

  CHECK(find_layer_faults(tree) ==
        Findings{"runtime/node/node.cpp:2: runtime/node/ may not include cluster/control/control_client.hpp"});
}

TEST_CASE("layers: io and sim do not know each other", "[lint]") {
  const Tree tree = {{"runtime/io/driver.hpp", "#include \"sim/clock.hpp\"\n"}, {"runtime/sim/clock.hpp", ""}};

  CHECK(find_layer_faults(tree).size() == 1);
}

TEST_CASE("layers: a public header that includes a private one is found", "[lint]") {
  const Tree tree = {{"runtime/include/epic/ref.hpp", "#include \"kernel/ids.hpp\"\n#include \"epic/error.hpp\"\n"},
                     {"runtime/include/epic/error.hpp", ""},
                     {"runtime/kernel/ids.hpp", ""}};

  CHECK(find_layer_faults(tree) ==
        Findings{"runtime/include/epic/ref.hpp:1: runtime/include/epic/ may not include runtime/kernel/ids.hpp"});
}

TEST_CASE("layers: an include with the arrow is fine, also of a neighbour by its bare name", "[lint]") {
  const Tree tree = {{"runtime/kernel/gate.cpp", "#include \"gate.hpp\"\n#include \"reflect/schema.hpp\"\n"},
                     {"runtime/kernel/gate.hpp", ""},
                     {"runtime/reflect/schema.hpp", ""}};

  CHECK(find_layer_faults(tree).empty());
}

TEST_CASE("layers: the folders of cli and cluster point one way, too", "[lint]") {
  const Tree tree = {{"cli/parser/help.cpp", "#include \"cli/commands/table.hpp\"\n"},
                     {"cli/commands/table.hpp", "#include \"cli/parser/help.hpp\"\n"},
                     {"cli/parser/help.hpp", ""},
                     {"cluster/control/control_server.hpp", "#include \"cluster/supervisor/fleet.hpp\"\n"},
                     {"cluster/supervisor/fleet.hpp", ""}};

  CHECK(
      find_layer_faults(tree) ==
      Findings{"cli/parser/help.cpp:1: cli/parser/ may not include cli/commands/table.hpp",
               "cluster/control/control_server.hpp:1: cluster/control/ may not include cluster/supervisor/fleet.hpp"});
}

TEST_CASE("layers: the kernel's routing knows no other part of the kernel", "[lint]") {
  const Tree tree = {
      {"runtime/kernel/routing/routing.hpp", "#include \"kernel/ids.hpp\"\n#include \"kernel/gate.hpp\"\n"},
      {"runtime/kernel/ids.hpp", ""},
      {"runtime/kernel/gate.hpp", "#include \"kernel/routing/routing.hpp\"\n"}};

  CHECK(find_layer_faults(tree) ==
        Findings{
            "runtime/kernel/routing/routing.hpp:2: runtime/kernel/routing/ may not include runtime/kernel/gate.hpp"});
}

TEST_CASE("libraries: a part of the kernel that includes one above it is found", "[lint]") {
  const auto faults = [](const char* folder, const char* file) {
    const std::string path = std::string("runtime/kernel/") + folder + "/x.cpp";
    return find_library_faults({{path, std::string("#include \"kernel/") + file + "\"\n"}}).size();
  };
  CHECK(faults("saving", "calls/calls.hpp") == 1);
  CHECK(faults("saving", "calls/call_words.hpp") == 0);
  CHECK(faults("calls", "activations/activations.hpp") == 1);
  CHECK(faults("activations", "calls/calls.hpp") == 0);
  CHECK(faults("frames", "kernel_scope.hpp") == 1);
}

TEST_CASE("libraries: Asio, SQLite and Cap'n Proto in the kernel are found", "[lint]") {
  for (const std::string include : {"<boost/asio/io_context.hpp>", "<sqlite3.h>", "<capnp/message.h>", "<thread>"}) {
    const Tree tree = {{"runtime/kernel/kernel.cpp", "#include " + include + "\n"}};
    INFO(include);
    CHECK(find_library_faults(tree).size() == 1);
  }
  CHECK(find_library_faults({{"runtime/io/driver.cpp", "#include <boost/asio/io_context.hpp>\n"}}).empty());
}

TEST_CASE("libraries: a public header that includes fmt/format.h is found, fmt/core.h is fine", "[lint]") {
  CHECK(find_library_faults({{"runtime/include/epic/log.hpp", "#include <fmt/format.h>\n"}}).size() == 1);
  CHECK(find_library_faults({{"runtime/include/epic/log.hpp", "#include <fmt/core.h>\n"}}).empty());
}

TEST_CASE("purity: a clock read, a random number, a thread and a socket in the kernel are found", "[lint]") {
  for (const std::string code :
       {"auto t = std::chrono::steady_clock::now();", "std::random_device seed;", "int r = rand();",
        "std::thread worker;", "int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);"}) {
    INFO(code);
    CHECK(find_impure_calls({{"runtime/kernel/kernel.cpp", code + "\n"}}).size() == 1);
  }
}

TEST_CASE("purity: comments, texts and other names that look alike are fine", "[lint]") {
  const Tree tree = {{"runtime/kernel/kernel.cpp",
                      "// never calls steady_clock::now()\n"
                      "fail(\"connect() failed\");\n"
                      "peer.connect();\n"
                      "operand(1);\n"}};

  CHECK(find_impure_calls(tree).empty());
}

TEST_CASE("purity: JSON that is parsed or printed beside the door is found", "[lint]") {
  CHECK(find_impure_calls({{"cli/x.cpp", "auto text = boost::json::serialize(value);\n"}}).size() == 1);
  CHECK(find_impure_calls({{"cluster/x.cpp", "const json::value body = json::parse(text);\n"}}).size() == 1);
  CHECK(find_impure_calls({{"runtime/protocol/json.cpp", "json::basic_parser<Handler> parser(options);\n"}}).empty());
}

TEST_CASE("purity: the supervisor's decisions take clocks, threads and sockets from the host", "[lint]") {
  for (const std::string file : {"cluster/supervisor/fleet.cpp", "cluster/supervisor/new_part.hpp"}) {
    INFO(file);
    CHECK(find_impure_calls({{file, "const auto now = std::chrono::steady_clock::now();\n"}}).size() == 1);
    CHECK(find_impure_calls({{file, "std::thread thread_;\n"}}).size() == 1);
    CHECK(find_library_faults({{file, "#include <boost/asio/steady_timer.hpp>\n"}}).size() == 1);
    CHECK(find_library_faults({{file, "#include \"files/private_files.hpp\"\n"}}).size() == 1);
    CHECK(find_library_faults({{file, "#include \"cluster/supervisor/host.hpp\"\n"}}).empty());
  }
  const std::string host = "cluster/supervisor/asio_host.cpp";
  CHECK(find_impure_calls({{host, "return std::chrono::steady_clock::now();\n"}}).empty());
  CHECK(find_library_faults({{host, "#include <boost/asio/steady_timer.hpp>\n"}}).empty());
}

TEST_CASE("purity: a sleep in a test is found", "[lint]") {
  CHECK(find_impure_calls({{"tests/unit/x_test.cpp", "std::this_thread::sleep_for(1s);\n"}}).size() == 1);
}

TEST_CASE("purity: files that are opened, made or removed past the door are found", "[lint]") {
  for (const std::string code : {"int fd = ::open(path.c_str(), O_RDWR);", "std::ofstream(path) << text;",
                                 "fs::remove_all(path);", "std::filesystem::create_directories(path);",
                                 "::unlink(path.c_str());", "FILE* file = std::fopen(name, mode);"}) {
    INFO(code);
    CHECK(find_impure_calls({{"cluster/supervisor/x.cpp", code + "\n"}}).size() == 1);
    CHECK(find_impure_calls({{"runtime/files/x.cpp", code + "\n"}}).empty());
  }
  CHECK(find_impure_calls({{"cluster/x.cpp", "auto log = LogHub::open(path); shards_.open(now);\n"}}).empty());
}
