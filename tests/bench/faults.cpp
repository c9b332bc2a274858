// The rig of the fault bench: origins that fail by a plan, and users in front of a proxy that is
// already running, in one process. Run it in a network namespace of its own, as root.
//
//   faults < PLAN   ->   JSON: what the users met, what the origins were asked
//
// The plan, a line each (times in ms since the start; A-B are numbers of origins, from 0):
//   proxy 127.0.0.1 8080            origins 3             seed 1
//   rate 400                        posts 0.1             patience 5000
//   begin 1500    until 25000       fault 5000 15000      bad 0 0
//   capacity A B WORKERS SERVICE [QUEUE COLD COLD_SERVICE]
//   at T A B ok | refuse | hang | cut | reset | stall
//   at T A B status CODE SHARE | slow MS | idle MS
// Origin n listens on 127.0.1.(n+1):9000.

#include "faults_client.hpp"
#include "faults_origin.hpp"

#include <iostream>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sstream>
#include <sys/prctl.h>

namespace {

using namespace faults;

constexpr double kStay = 60'000;  // ms after the report

struct Change {
    Time when{0};
    std::size_t first = 0, last = 0;
    Mode mode;
};

struct CapacityOf {
    std::size_t first = 0, last = 0;
    Capacity capacity;
};

struct Plan {
    Habit habit;
    std::size_t origins = 1;
    std::uint64_t seed = 1;
    Time fault_begin{0}, fault_end{0};
    std::size_t bad_first = 0, bad_last = 0;
    std::vector<Change> changes;
    std::vector<CapacityOf> capacities;
};

[[noreturn]] void refuse(const std::string& line) {
    std::fprintf(stderr, "faults: not understood: %s\n", line.c_str());
    std::exit(2);
}

Time read_time(std::istream& in) {
    double count = 0;
    in >> count;
    return milliseconds(count);
}

Mode read_mode(std::istream& in, const std::string& line) {
    static const std::map<std::string, Mode::Kind> kKinds{
        {"ok", Mode::Kind::ok},         {"refuse", Mode::Kind::refuse}, {"hang", Mode::Kind::hang},
        {"status", Mode::Kind::status}, {"slow", Mode::Kind::slow},     {"cut", Mode::Kind::cut},
        {"reset", Mode::Kind::reset},   {"stall", Mode::Kind::stall},   {"idle", Mode::Kind::ok},
    };
    std::string word;
    in >> word;
    const auto kind = kKinds.find(word);
    if (kind == kKinds.end()) refuse(line);
    Mode mode;
    mode.kind = kind->second;
    if (word == "status") in >> mode.code >> mode.share;
    if (word == "slow") mode.extra = read_time(in);
    if (word == "idle") mode.idle = read_time(in);
    return mode;
}

Capacity read_capacity(std::istream& in) {
    Capacity capacity;
    in >> capacity.workers;
    capacity.service = read_time(in);
    if (in >> capacity.queue) {
        capacity.cold = read_time(in);
        capacity.cold_service = read_time(in);
    }
    in.clear();
    return capacity;
}

void read_line(Plan& plan, const std::string& line) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    if (word == "proxy") {
        std::string host;
        std::uint16_t port = 0;
        in >> host >> port;
        plan.habit.proxy = address(host, port);
    } else if (word == "origins") {
        in >> plan.origins;
    } else if (word == "seed") {
        in >> plan.seed;
    } else if (word == "rate") {
        in >> plan.habit.rate;
    } else if (word == "posts") {
        in >> plan.habit.posts;
    } else if (word == "patience") {
        plan.habit.patience = read_time(in);
    } else if (word == "begin") {
        plan.habit.begin = read_time(in);
    } else if (word == "until") {
        plan.habit.until = read_time(in);
    } else if (word == "fault") {
        plan.fault_begin = read_time(in);
        plan.fault_end = read_time(in);
    } else if (word == "bad") {
        in >> plan.bad_first >> plan.bad_last;
    } else if (word == "capacity") {
        CapacityOf of;
        in >> of.first >> of.last;
        of.capacity = read_capacity(in);
        plan.capacities.push_back(of);
    } else if (word == "at") {
        Change change;
        change.when = read_time(in);
        in >> change.first >> change.last;
        change.mode = read_mode(in, line);
        plan.changes.push_back(change);
    } else if (!word.empty()) {
        refuse(line);
    }
    if (in.fail()) refuse(line);
}

// A connect that is refused reaches no program: its SYN is counted on the wire.
class Sniffer final : public Watcher {
  public:
    Sniffer(Loop& loop, std::vector<std::unique_ptr<Origin>>& origins)
        : loop_(loop), origins_(origins) {
        fd = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_IP));
        // TCP, to the origins' port, SYN without ACK; IP headers on loopback have no options.
        std::array<sock_filter, 9> code{{
            {BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
            {BPF_JMP | BPF_JEQ | BPF_K, 0, 6, IPPROTO_TCP},
            {BPF_LD | BPF_H | BPF_ABS, 0, 0, 22},
            {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, kOriginPort},
            {BPF_LD | BPF_B | BPF_ABS, 0, 0, 33},
            {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},
            {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02},
            {BPF_RET | BPF_K, 0, 0, 64},
            {BPF_RET | BPF_K, 0, 0, 0},
        }};
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))) {
            std::perror("faults: packet socket (root is needed)");
            std::exit(1);
        }
        loop_.watch(*this, EPOLLIN);
    }

    void on_ready(std::uint32_t /*events*/) override {
        std::array<unsigned char, 64> packet{};
        sockaddr_ll from{};
        socklen_t size = sizeof(from);
        while (::recvfrom(fd, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from),
                          &size) > 0) {
            if (from.sll_pkttype == PACKET_OUTGOING) continue;  // loopback shows each twice
            const std::size_t origin = packet[19] - 1U;         // 127.0.1.(n+1)
            if (origin < origins_.size() && origins_[origin]->refuses())
                origins_[origin]->count_refused(loop_.now());
        }
    }

  private:
    Loop& loop_;
    std::vector<std::unique_ptr<Origin>>& origins_;
};

// The figures, from the two records: the users' requests and the origins' attempts.
class Report {
  public:
    Report(const Plan& plan,
           const std::vector<Request>& requests,
           const std::vector<std::unique_ptr<Origin>>& origins,
           const Ledger& ledger)
        : plan_(plan), requests_(requests), origins_(origins), ledger_(ledger) {}

    void print() const {
        std::size_t during = 0, before = 0, lost = 0, after = 0;
        std::map<std::string, std::size_t> by;
        for (const Request& request : requests_) {
            if (in_fault(request.when)) ++during;
            if (request.lost == nullptr) continue;
            if (request.when < plan_.fault_begin - milliseconds(50)) {
                ++before;
                continue;
            }
            ++lost;
            if (request.when >= plan_.fault_end) ++after;
            ++by[std::string(request.lost) +
                 (request.status != 0 ? " " + std::to_string(request.status) : "") +
                 (request.post ? " POST" : "")];
        }
        std::printf(
            "{\"requests\": %zu, \"lost\": %zu, \"lost_before\": %zu, \"lost_after\": %zu,\n",
            during, lost, before, after);
        std::printf(" \"lost_by\": {");
        const char* comma = "";
        for (const auto& [why, count] : by) {
            std::printf("%s\"%s\": %zu", comma, why.c_str(), count);
            comma = ", ";
        }
        std::printf("},\n");
        const std::size_t all = attempts_in_fault(0, plan_.origins - 1);
        std::printf(" \"attempts_bad\": %zu, \"attempts\": %zu, \"amplification\": %.4f,\n",
                    attempts_in_fault(plan_.bad_first, plan_.bad_last), all,
                    static_cast<double>(all) / static_cast<double>(during));
        std::printf(" \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"refusal_p99_ms\": %.2f,\n",
                    quantile(0.5, plan_.fault_begin, plan_.fault_end, true),
                    quantile(0.99, plan_.fault_begin, plan_.fault_end, true),
                    quantile(0.99, plan_.fault_begin, plan_.fault_end, false));
        std::printf(" \"after_p99_ms\": %.2f, \"used_ms\": %.0f, \"half_ms\": %.0f,\n",
                    quantile(0.99, plan_.fault_end, plan_.fault_end + milliseconds(5000), true),
                    used_again(), half_share());
        std::printf(" \"back_ms\": %.0f, \"herd\": %.2f, \"posts_twice\": %zu,\n", back(), herd(),
                    ledger_.posts_twice());
        timeline();
    }

  private:
    [[nodiscard]] bool in_fault(Time when) const {
        return when >= plan_.fault_begin && when < plan_.fault_end;
    }

    [[nodiscard]] std::size_t attempts_in_fault(std::size_t first, std::size_t last) const {
        std::size_t found = 0;
        for (std::size_t i = first; i <= last; ++i)
            found += attempts_between(i, plan_.fault_begin, plan_.fault_end, false);
        return found;
    }

    [[nodiscard]] std::size_t attempts_between(std::size_t origin,
                                               Time begin,
                                               Time end,
                                               bool well) const {
        const auto& attempts = origins_[origin]->attempts();
        return static_cast<std::size_t>(
            std::count_if(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
                return attempt.when >= begin && attempt.when < end &&
                       (attempt.answered_well || !well);
            }));
    }

    // Of the good answers, or of the refusals (503 while nothing is wrong with the connection).
    [[nodiscard]] double quantile(double q, Time begin, Time end, bool good) const {
        std::vector<Time> found;
        for (const Request& request : requests_) {
            const bool counts = good ? request.lost == nullptr : request.status == 503;
            if (counts && request.when >= begin && request.when < end)
                found.push_back(request.latency);
        }
        if (found.empty()) return -1;
        std::sort(found.begin(), found.end());
        return in_milliseconds(
            found[static_cast<std::size_t>(q * static_cast<double>(found.size() - 1))]);
    }

    // From the end of the fault to the first good answer of a bad origin; the slowest of them.
    [[nodiscard]] double used_again() const {
        double latest = -1;
        for (std::size_t i = plan_.bad_first; i <= plan_.bad_last; ++i) {
            const auto& attempts = origins_[i]->attempts();
            const auto used = std::find_if(attempts.begin(), attempts.end(), [&](const Attempt& a) {
                return a.answered_well && a.when >= plan_.fault_end;
            });
            if (used == attempts.end()) return -1;
            latest = std::max(latest, in_milliseconds(used->when - plan_.fault_end));
        }
        return latest;
    }

    // To the first window of 1 s in which the bad origins have half of their fair share.
    [[nodiscard]] double half_share() const {
        const double fair = plan_.habit.rate / static_cast<double>(plan_.origins);
        for (Time at = plan_.fault_end; at + kWindow <= plan_.habit.until; at += kStep) {
            bool all = true;
            for (std::size_t i = plan_.bad_first; i <= plan_.bad_last && all; ++i)
                all = static_cast<double>(attempts_between(i, at, at + kWindow, true)) >= fair / 2;
            if (all) return in_milliseconds(at - plan_.fault_end);
        }
        return -1;
    }

    // To the first window of 1 s in which 99 % of the users are served within a second.
    [[nodiscard]] double back() const {
        for (Time at = plan_.fault_end; at + kWindow <= plan_.habit.until; at += kStep) {
            std::size_t all = 0, well = 0;
            for (const Request& request : requests_) {
                if (request.when < at || request.when >= at + kWindow) continue;
                ++all;
                if (request.lost == nullptr && request.latency < milliseconds(1000)) ++well;
            }
            if (all > 0 && static_cast<double>(well) >= 0.99 * static_cast<double>(all))
                return in_milliseconds(at - plan_.fault_end);
        }
        return -1;
    }

    // The most requests in 100 ms after the fault that all origins together got, over the rate.
    [[nodiscard]] double herd() const {
        std::size_t most = 0;
        const Time window = milliseconds(100);
        for (Time at = plan_.fault_end; at + window <= plan_.habit.until; at += window / 2) {
            std::size_t found = 0;
            for (std::size_t i = 0; i < plan_.origins; ++i)
                found += attempts_between(i, at, at + window, false);
            most = std::max(most, found);
        }
        return static_cast<double>(most) / (plan_.habit.rate / 10);
    }

    // For each half second: requests, lost, attempts on the bad origins.
    void timeline() const {
        std::printf(" \"timeline\": [");
        const Time step = milliseconds(500);
        for (Time at{0}; at < plan_.habit.until; at += step) {
            std::size_t all = 0, lost = 0, bad = 0;
            for (const Request& request : requests_) {
                if (request.when < at || request.when >= at + step) continue;
                ++all;
                lost += request.lost != nullptr;
            }
            for (std::size_t i = plan_.bad_first; i <= plan_.bad_last; ++i)
                bad += attempts_between(i, at, at + step, false);
            std::printf("%s[%zu, %zu, %zu]", at == Time{0} ? "" : ", ", all, lost, bad);
        }
        std::printf("]}\n");
    }

    static constexpr Time kWindow = milliseconds(1000);
    static constexpr Time kStep = milliseconds(50);

    const Plan& plan_;
    const std::vector<Request>& requests_;
    const std::vector<std::unique_ptr<Origin>>& origins_;
    const Ledger& ledger_;
};

int run(const Plan& plan) {
    Loop loop;
    Chance users(plan.seed), service(plan.seed + 1000);
    Ledger ledger;
    std::vector<std::unique_ptr<Origin>> origins;
    for (std::size_t i = 0; i < plan.origins; ++i)
        origins.push_back(
            std::make_unique<Origin>(loop, service, ledger, "127.0.1." + std::to_string(i + 1)));
    for (const CapacityOf& of : plan.capacities)
        for (std::size_t i = of.first; i <= of.last; ++i)
            origins.at(i)->set(of.capacity);
    for (const Change& change : plan.changes)
        loop.at(change.when, [&origins, &change] {
            for (std::size_t i = change.first; i <= change.last; ++i)
                origins.at(i)->set(change.mode);
        });
    Sniffer sniffer(loop, origins);
    Client client(loop, users, plan.habit);
    loop.run(plan.habit.until + plan.habit.patience + milliseconds(200));
    Report(plan, client.requests(), origins, ledger).print();
    std::fflush(stdout);
    loop.run(loop.now() + milliseconds(kStay));  // until it is killed: a proxy must see no death
    return 0;
}

}  // namespace

int main() {
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    Plan plan;
    for (std::string line; std::getline(std::cin, line);)
        read_line(plan, line);
    return run(plan);
}
