#include "weir/client/admin_client.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace weir::client {
namespace {

using namespace std::chrono_literals;
using Kind = Failure::Kind;

// Takes connections one after the other and does the same with each: reads a head, writes pieces,
// and closes, or holds the connection until the server goes.
class ToyServer {
  public:
    struct Script {
        std::vector<std::string> pieces;
        bool holds = false;      // does not close
        bool is_silent = false;  // does not even read
    };

    explicit ToyServer(Script script, const Address& listen = *Address::parse("127.0.0.1:0"))
        : script_(std::move(script)),
          fd_(::socket(listen.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage storage{};
        socklen_t size = listen.to_socket(storage);
        auto* const name = reinterpret_cast<sockaddr*>(&storage);
        if (::bind(fd_, name, size) != 0 || ::listen(fd_, 8) != 0) std::abort();
        size = sizeof storage;
        ::getsockname(fd_, name, &size);
        address_ = Address::from_socket(name, size);
        thread_ = std::thread([this] { serve(); });
    }
    ~ToyServer() {
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        for (const int held : held_)
            ::close(held);
        ::close(fd_);
    }
    ToyServer(const ToyServer&) = delete;
    ToyServer& operator=(const ToyServer&) = delete;

    [[nodiscard]] std::string address() const { return address_.to_string(); }
    // Of the last connection; once its client has the answer.
    [[nodiscard]] const std::string& request() const { return request_; }

  private:
    void serve() {
        for (;;) {
            const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) return;
            if (!script_.is_silent) answer(client);
            if (script_.holds || script_.is_silent) {
                held_.push_back(client);
            } else {
                ::close(client);
            }
        }
    }

    void answer(int client) {
        std::array<char, 4096> buffer;
        request_.clear();
        while (request_.find("\r\n\r\n") == std::string::npos) {
            const ssize_t size = ::recv(client, buffer.data(), buffer.size(), 0);
            if (size <= 0) return;
            request_.append(buffer.data(), static_cast<std::size_t>(size));
        }
        for (const std::string& piece : script_.pieces)
            ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
    }

    const Script script_;
    const int fd_;
    Address address_;
    std::string request_;
    std::vector<int> held_;
    std::thread thread_;
};

Door door(std::string_view text) {
    std::string why;
    auto found = parse_door(text, why);
    EXPECT_TRUE(found) << why;
    return found.value_or(Door{});
}

AdminClient client_of(std::vector<std::string> addresses, Duration timeout = 5s) {
    AdminClient::Options options;
    for (const std::string& address : addresses)
        options.doors.push_back(door(address));
    options.timeout = timeout;
    options.silence = timeout;
    return AdminClient(options);
}

Answer answer_of(const AdminClient::Result& result) {
    if (const auto* answer = std::get_if<Answer>(&result)) return *answer;
    ADD_FAILURE() << std::get<1>(result).back().detail;
    return {};
}

Failure failure_of(const AdminClient::Result& result) {
    if (std::holds_alternative<Answer>(result)) {
        ADD_FAILURE() << "there is an answer";
        return {};
    }
    return std::get<1>(result).back();
}

constexpr const char* kOk =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"41f2\"\r\n";

TEST(AdminClient, SendsTheQuestionAndReadsTheAnswer) {
    ToyServer server({.pieces = {std::string(kOk) + "Content-Length: 3\r\n\r\n", "[1]"}});
    AdminClient::Options options;
    options.doors = {door(server.address())};
    options.token = "s3cret";
    const Answer answer = answer_of(AdminClient(options).ask({.method = "POST",
                                                              .target = "/api/v1/x?y=1",
                                                              .body = "{}",
                                                              .content_type = "application/json",
                                                              .headers = {{"If-Match", "abc"}}}));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "[1]");
    EXPECT_EQ(answer.content_type, "application/json");
    EXPECT_EQ(answer.etag, "\"41f2\"");
    EXPECT_EQ(answer.door, server.address());
    EXPECT_EQ(server.request(),
              "POST /api/v1/x?y=1 HTTP/1.1\r\nHost: " + server.address() +
                  "\r\nUser-Agent: weir\r\nConnection: close\r\n"
                  "Authorization: Bearer s3cret\r\nIf-Match: abc\r\n"
                  "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(AdminClient, ReadsBodiesHoweverTheyAreFramed) {
    const std::vector<std::vector<std::string>> answers{
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nab\r",
         "\n1\r\nc\r\n0\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\n\r\na", "bc"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"},
        {"HTTP/1.0 200 OK\r\n\r\nabc"}};
    for (const auto& pieces : answers) {
        ToyServer server({.pieces = pieces});
        EXPECT_EQ(answer_of(client_of({server.address()}).ask({.target = "/"})).body, "abc");
    }
}

TEST(AdminClient, AsksOverAUnixSocket) {
    std::string root = std::filesystem::temp_directory_path() / "weir-client-XXXXXX";
    ASSERT_NE(::mkdtemp(root.data()), nullptr);
    const std::string path = root + "/admin.sock";
    {
        ToyServer server({.pieces = {std::string(kOk) + "Content-Length: 2\r\n\r\n{}"}},
                         *Address::parse("unix:" + path));
        const Answer answer = answer_of(client_of({path}).ask({.target = "/"}));
        EXPECT_EQ(answer.door, "unix:" + path);
        EXPECT_NE(server.request().find("\r\nHost: localhost\r\n"), std::string::npos);
    }
    EXPECT_EQ(failure_of(client_of({path}).ask({.target = "/"})).kind, Kind::refused)
        << "the file is there, and nobody listens";
    std::filesystem::remove_all(root);
    EXPECT_EQ(failure_of(client_of({path}).ask({.target = "/"})).kind, Kind::no_socket);
}

TEST(AdminClient, SaysWhyThereIsNoAnswer) {
    struct Row {
        ToyServer::Script script;
        Kind kind;
        std::string detail;
    };
    const std::vector<Row> rows{
        {{.pieces = {}, .holds = true}, Kind::timed_out, "did not answer in time"},
        {{.pieces = {}, .is_silent = true}, Kind::timed_out, "did not answer in time"},
        {{.pieces = {kOk}, .holds = true}, Kind::timed_out, "the answer did not end in time"},
        {{.pieces = {std::string(kOk) + "Content-Length: 9\r\n\r\nabc"}, .holds = true},
         Kind::timed_out,
         "the answer did not end in time"},
        {{.pieces = {}}, Kind::cut_short, "closed the connection without an answer"},
        {{.pieces = {"HTTP/1.1 20"}}, Kind::cut_short, "in the middle"},
        {{.pieces = {std::string(kOk) + "Content-Length: 9\r\n\r\nabc"}},
         Kind::cut_short,
         "in the middle"},
        {{.pieces = {std::string(kOk) + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"}},
         Kind::cut_short,
         "in the middle"},
        {{.pieces = {"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"}}, Kind::not_http, "not with HTTP"},
        {{.pieces = {"220 mail.example ESMTP\r\n"}}, Kind::not_http, "not with HTTP"},
        {{.pieces = {std::string("\x15\x03\x01\x00\x02\x02\x28\r\n", 9)}},
         Kind::not_http,
         "not with HTTP"},
        {{.pieces = {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')}},
         Kind::not_http,
         "not with HTTP"},
        {{.pieces = {std::string(kOk) + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"}},
         Kind::not_http,
         "framed wrongly"}};
    for (const Row& row : rows) {
        ToyServer server(row.script);
        const Failure failure =
            failure_of(client_of({server.address()}, 100ms).ask({.target = "/"}));
        EXPECT_EQ(failure.kind, row.kind) << row.detail << ": " << failure.detail;
        EXPECT_NE(failure.detail.find(row.detail), std::string::npos) << failure.detail;
        EXPECT_EQ(failure.door, server.address());
    }
}

TEST(AdminClient, RefusesAnswersThatAreTooLarge) {
    ToyServer server({.pieces = {std::string(kOk) + "\r\n", std::string(200'000, 'x')}});
    AdminClient::Options options;
    options.doors = {door(server.address())};
    options.most_bytes = 100'000;
    EXPECT_EQ(failure_of(AdminClient(options).ask({.target = "/"})).kind, Kind::too_large);
    options.most_bytes = 200'000;
    EXPECT_EQ(answer_of(AdminClient(options).ask({.target = "/"})).body.size(), 200'000U);
}

TEST(AdminClient, TriesTheNextDoorOnlyWhereNobodyIsAtTheFirst) {
    std::string free_address;
    {
        const ToyServer gone({});
        free_address = gone.address();
    }
    ToyServer server({.pieces = {std::string(kOk) + "Content-Length: 2\r\n\r\n{}"}});
    EXPECT_EQ(answer_of(client_of({free_address, server.address()}).ask({.target = "/"})).door,
              server.address());
    const auto none = client_of({free_address, "/nonexistent/admin.sock"}).ask({.target = "/"});
    const auto& failures = std::get<1>(none);
    ASSERT_EQ(failures.size(), 2U);
    EXPECT_EQ(failures[0].kind, Kind::refused);
    EXPECT_EQ(failures[1].kind, Kind::no_socket);
    ToyServer stranger({.pieces = {"SSH-2.0-x\r\n"}});
    const auto wrong = client_of({stranger.address(), server.address()}).ask({.target = "/"});
    EXPECT_EQ(std::get<1>(wrong).size(), 1U);
}

TEST(AdminClient, ResolvesNames) {
    ToyServer server({.pieces = {std::string(kOk) + "Content-Length: 2\r\n\r\n{}"}});
    const std::string port = server.address().substr(server.address().rfind(':'));
    EXPECT_EQ(answer_of(client_of({"localhost" + port}).ask({.target = "/"})).status, 200);
    EXPECT_NE(server.request().find("\r\nHost: localhost" + port), std::string::npos);
    EXPECT_EQ(failure_of(client_of({"nowhere.invalid" + port}).ask({.target = "/"})).kind,
              Kind::no_name);
}

TEST(AdminClient, GivesAStreamAsItComesUntilOneHasEnough) {
    ToyServer server({.pieces = {std::string(kOk) + "\r\nab", "cd"}, .holds = true});
    std::string seen;
    const auto result =
        client_of({server.address()}).ask({.target = "/"}, [&](std::string_view data) {
            seen += data;
            return seen.size() < 4;
        });
    EXPECT_EQ(answer_of(result).status, 200);
    EXPECT_EQ(seen, "abcd");
}

TEST(AdminClient, KeepsTheBodyOfARefusedStream) {
    ToyServer server({.pieces = {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"}});
    const Answer answer =
        answer_of(client_of({server.address()}).ask({.target = "/"}, [](std::string_view) {
            ADD_FAILURE() << "no stream";
            return true;
        }));
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.body, "no");
}

TEST(AdminClient, EndsAStreamThatFellSilent) {
    ToyServer server({.pieces = {std::string(kOk) + "\r\nab"}, .holds = true});
    const auto result =
        client_of({server.address()}, 50ms).ask({.target = "/"}, [](std::string_view) {
            return true;
        });
    EXPECT_EQ(failure_of(result).kind, Kind::timed_out);
}

TEST(AdminClient, CanBeInterrupted) {
    ToyServer server({.pieces = {}, .holds = true});
    AdminClient::Options options;
    options.doors = {door(server.address())};
    options.interrupt_fd = ::eventfd(1, EFD_CLOEXEC);
    EXPECT_EQ(failure_of(AdminClient(options).ask({.target = "/"})).kind, Kind::interrupted);
    ::close(options.interrupt_fd);
}

TEST(AdminDoor, IsWrittenInManyWays) {
    struct Row {
        std::string_view text;
        std::string_view as;
        std::string_view authority;
    };
    for (const Row& row :
         {Row{"127.0.0.1:9347", "127.0.0.1:9347", "127.0.0.1:9347"},
          Row{"http://127.0.0.1:80/", "127.0.0.1:80", "127.0.0.1:80"},
          Row{":9000", "127.0.0.1:9000", "127.0.0.1:9000"},
          Row{"0.0.0.0:9000", "127.0.0.1:9000", "127.0.0.1:9000"},
          Row{"9000", "127.0.0.1:9000", "127.0.0.1:9000"},
          Row{"10.0.0.1", "10.0.0.1:9347", "10.0.0.1:9347"},
          Row{"[::1]", "[::1]:9347", "[::1]:9347"}, Row{"[::1]:80", "[::1]:80", "[::1]:80"},
          Row{"localhost", "localhost:9347", "localhost:9347"},
          Row{"http://weir.shop.svc:80", "weir.shop.svc:80", "weir.shop.svc:80"},
          Row{"unix:/run/a.sock", "unix:/run/a.sock", "localhost"},
          Row{"/run/a.sock", "unix:/run/a.sock", "localhost"},
          Row{"./a.sock", "unix:./a.sock", "localhost"}}) {
        const Door found = door(row.text);
        EXPECT_EQ(found.text, row.as);
        EXPECT_EQ(found.authority, row.authority);
    }
    for (const std::string_view text :
         {"", ":", "http://", "https://127.0.0.1", "unix:", "a b", "host:0", "host:99999", "host:x",
          "127.0.0.1:9347/api", "x\r\ny: z", "127.0.0.1:0"}) {
        std::string why;
        EXPECT_FALSE(parse_door(text, why)) << text;
        EXPECT_FALSE(why.empty()) << text;
    }
}

}  // namespace
}  // namespace weir::client
