#include "weir/transport/socket.hpp"

#include <gtest/gtest.h>

#include <array>
#include <poll.h>
#include <string>

namespace weir::transport {
namespace {

const Address kAnyPort = *Address::parse("127.0.0.1:0");

void wait_for(const Socket& socket, short what) {
    pollfd poller{socket.fd(), what, 0};
    ASSERT_EQ(poll(&poller, 1, 10'000), 1);
}

Socket accept_one(const Socket& listener) {
    wait_for(listener, POLLIN);
    auto accepted = listener.accept();
    EXPECT_TRUE(accepted && accepted->first.is_open());
    return std::move(accepted->first);
}

struct Connected {
    Socket listener = std::move(*Socket::listen(kAnyPort, false));
    Socket client = std::move(*Socket::connect(listener.local_address()));
    Socket server = accept_one(listener);

    Connected() { wait_for(client, POLLOUT); }
};

IoResult send(const Socket& socket, std::string text) {
    const iovec part{text.data(), text.size()};
    return socket.send({&part, 1});
}

std::string receive(const Socket& socket) {
    wait_for(socket, POLLIN);
    std::array<char, 100> buffer;
    const IoResult result = socket.receive(buffer);
    EXPECT_EQ(result.state, IoResult::State::done);
    return {buffer.data(), result.bytes};
}

TEST(Socket, ListensOnAPortOfItsOwn) {
    const auto first = Socket::listen(kAnyPort, false);
    const auto second = Socket::listen(kAnyPort, false);
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->local_address().port(), 0);
    EXPECT_NE(first->local_address(), second->local_address());
}

TEST(Socket, SaysThatAnAddressIsInUse) {
    const auto first = Socket::listen(kAnyPort, false);
    const auto second = Socket::listen(first->local_address(), false);
    ASSERT_FALSE(second);
    EXPECT_STREQ(second.error().detail, "the address is in use");
}

TEST(Socket, SharesAPortOnlyIfAsked) {
    const auto first = Socket::listen(kAnyPort, true);
    EXPECT_TRUE(Socket::listen(first->local_address(), true));
    EXPECT_FALSE(Socket::listen(first->local_address(), false));
}

TEST(Socket, ConnectsAndSaysWhoCame) {
    const auto listener = Socket::listen(kAnyPort, false);
    const auto client = Socket::connect(listener->local_address());
    ASSERT_TRUE(client);
    wait_for(*client, POLLOUT);
    EXPECT_EQ(client->connect_error(), 0);
    wait_for(*listener, POLLIN);
    const auto accepted = listener->accept();
    ASSERT_TRUE(accepted);
    EXPECT_EQ(accepted->second, client->local_address());
    EXPECT_EQ(accepted->first.local_address(), listener->local_address());
}

TEST(Socket, AnEmptyQueueGivesNoSocketAndNoError) {
    const auto listener = Socket::listen(kAnyPort, false);
    const auto accepted = listener->accept();
    ASSERT_TRUE(accepted);
    EXPECT_FALSE(accepted->first.is_open());
}

TEST(Socket, SaysThatAConnectionWasRefused) {
    // Bound, but nobody listens: the port cannot become anybody else's meanwhile.
    const Socket reserved(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_storage storage;
    const socklen_t size = kAnyPort.to_socket(storage);
    ASSERT_EQ(bind(reserved.fd(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
    const auto client = Socket::connect(reserved.local_address());
    if (!client) {
        EXPECT_EQ(client.error().reason, Reason::upstream_connect_refused);
        return;
    }
    wait_for(*client, POLLOUT);
    EXPECT_EQ(client->connect_error(), ECONNREFUSED);
}

TEST(Socket, ReachesUnixSockets) {
    const auto address = Address::parse("unix:@weir-socket-test-" + std::to_string(getpid()));
    const auto listener = Socket::listen(*address, false);
    ASSERT_TRUE(listener);
    const auto client = Socket::connect(*address);
    ASSERT_TRUE(client);
    const Socket server = accept_one(*listener);
    EXPECT_EQ(send(*client, "hi").state, IoResult::State::done);
    EXPECT_EQ(receive(server), "hi");
    EXPECT_FALSE(client->bytes_acknowledged().has_value());
}

TEST(Socket, SendsAllPartsInOrder) {
    Connected pair;
    std::string first = "one ";
    std::string second = "two";
    const std::array parts{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
    EXPECT_EQ(pair.client.send(parts).bytes, 7U);
    EXPECT_EQ(receive(pair.server), "one two");
}

TEST(Socket, SaysWhenItWouldBlock) {
    Connected pair;
    std::array<char, 10> buffer;
    EXPECT_EQ(pair.server.receive(buffer).state, IoResult::State::would_block);
    const std::string much(1'000'000, 'x');
    IoResult result;
    for (int i = 0; i < 1000 && result.state == IoResult::State::done; ++i)
        result = send(pair.client, much);
    EXPECT_EQ(result.state, IoResult::State::would_block);
}

TEST(Socket, TellsAnEndFromAReset) {
    std::array<char, 10> buffer;
    {
        Connected pair;
        pair.client.shutdown_send();
        wait_for(pair.server, POLLIN);
        EXPECT_EQ(pair.server.receive(buffer).state, IoResult::State::eof);
    }
    Connected pair;
    pair.client.reset_on_close();
    pair.client.close();
    wait_for(pair.server, POLLIN);
    const IoResult result = pair.server.receive(buffer);
    EXPECT_EQ(result.state, IoResult::State::failed);
    EXPECT_EQ(result.error, ECONNRESET);
}

TEST(Socket, WritingToAClosedPeerIsAnErrorAndNoSignal) {
    Connected pair;
    pair.server.reset_on_close();
    pair.server.close();
    wait_for(pair.client, POLLIN);
    EXPECT_EQ(send(pair.client, "x").state, IoResult::State::failed);
}

TEST(Socket, MovingLeavesNothingBehind) {
    Connected pair;
    const int fd = pair.client.fd();
    Socket moved = std::move(pair.client);
    EXPECT_EQ(moved.fd(), fd);
    EXPECT_FALSE(pair.client.is_open());  // NOLINT(bugprone-use-after-move): says what is left
}

TEST(Socket, AFailPointFailsExactlyTheCallItNames) {
    Connected pair;
    FailPoint point{2};
    Socket::set_fail_point(&point);
    EXPECT_EQ(send(pair.client, "a").state, IoResult::State::done);
    EXPECT_EQ(receive(pair.server), "a");
    const IoResult failed = send(pair.client, "b");
    EXPECT_EQ(failed.state, IoResult::State::failed);
    EXPECT_EQ(failed.error, ECONNRESET);
    EXPECT_EQ(send(pair.client, "c").state, IoResult::State::done);
    Socket::set_fail_point(nullptr);
    EXPECT_EQ(receive(pair.server), "c");
    EXPECT_LT(point.calls_until_failure, 0);
}

}  // namespace
}  // namespace weir::transport
