# bash completion for weir: source <(weir completion bash)
_weir() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]:-} words=
    [[ $COMP_CWORD -gt 2 ]] && case $verb in
        config) verb+=" ${COMP_WORDS[2]}" ;;
        redirect) verb+=" ${COMP_WORDS[2]}" ;;
    esac
    if [[ $COMP_CWORD -eq 1 ]]; then
        words='run demo redirect inject injector status get discovery certs route events failures trace-export endpoints breakers breaker log fault registry drain reload check simulate init fmt config explain schema openapi reference man completion version --help'
    else
        case "$verb $prev" in
            'redirect apply --tool') words='auto nft iptables' ;;
            'redirect clean --tool') words='auto nft iptables' ;;
            'redirect show --tool') words='auto nft iptables' ;;
            'status -o') words='table wide json' ;;
            'status --output') words='table wide json' ;;
            'get -o') words='table wide json' ;;
            'get --output') words='table wide json' ;;
            'discovery -o') words='table wide json' ;;
            'discovery --output') words='table wide json' ;;
            'certs -o') words='table wide json' ;;
            'certs --output') words='table wide json' ;;
            'route -o') words='table wide json' ;;
            'route --output') words='table wide json' ;;
            'events -o') words='table wide json' ;;
            'events --output') words='table wide json' ;;
            'failures -o') words='table wide json' ;;
            'failures --output') words='table wide json' ;;
            'trace-export -o') words='table wide json' ;;
            'trace-export --output') words='table wide json' ;;
            'endpoints -o') words='table wide json' ;;
            'endpoints --output') words='table wide json' ;;
            'breakers -o') words='table wide json' ;;
            'breakers --output') words='table wide json' ;;
            'breaker -o') words='table wide json' ;;
            'breaker --output') words='table wide json' ;;
            'log -o') words='table wide json' ;;
            'log --output') words='table wide json' ;;
            'fault -o') words='table wide json' ;;
            'fault --output') words='table wide json' ;;
            'registry -o') words='table wide json' ;;
            'registry --output') words='table wide json' ;;
            'drain -o') words='table wide json' ;;
            'drain --output') words='table wide json' ;;
            'reload -o') words='table wide json' ;;
            'reload --output') words='table wide json' ;;
            'check --format') words='text json github' ;;
            'simulate -o') words='text json' ;;
            'simulate --output') words='text json' ;;
            'config dump -o') words='yaml json' ;;
            'config dump --output') words='yaml json' ;;
            'config apply -o') words='table wide json' ;;
            'config apply --output') words='table wide json' ;;
            *) case $verb in
                'config') words='dump explain apply diff' ;;
                'redirect') words='apply clean show' ;;
                'run') words='-h --help --from --to --print-config --core-dumps --exit-with' ;;
                'demo') words='-h --help --once' ;;
                'redirect apply') words='-h --help --inbound-port --outbound-port --skip-inbound-ports --skip-outbound-ports --uid --print --tool' ;;
                'redirect clean') words='-h --help --tool' ;;
                'redirect show') words='-h --help --tool' ;;
                'inject') words='-h --help -f --file --image --diff --uninject' ;;
                'injector') words='-h --help --cert --key --image --listen --telemetry' ;;
                'status') words='-h --help --admin --token-file --timeout -o --output -w --watch --ready --wait' ;;
                'get') words='-h --help --admin --token-file --timeout -o --output -w --watch listeners routes clusters breakers certs config discovery events log memory ratelimits' ;;
                'discovery') words='-h --help --admin --token-file --timeout -o --output -w --watch' ;;
                'certs') words='-h --help --admin --token-file --timeout -o --output -w --watch' ;;
                'route') words='-h --help --admin --token-file --timeout -o --output -H --header --listener' ;;
                'events') words='-h --help --admin --token-file --timeout -o --output -f --follow -n --cluster' ;;
                'failures') words='-h --help --admin --token-file --timeout -o --output -n --cluster --route --reason -w --watch' ;;
                'trace-export') words='-h --help --admin --token-file --timeout -o --output --for -n --cluster' ;;
                'endpoints') words='-h --help --admin --token-file --timeout -o --output --for --reason --force -w --watch drain undrain eject uneject' ;;
                'breakers') words='-h --help --admin --token-file --timeout -o --output -w --watch' ;;
                'breaker') words='-h --help --admin --token-file --timeout -o --output --for --reason -w --watch open close auto' ;;
                'log') words='-h --help --admin --token-file --timeout -o --output --module --for trace debug info warn error reset reopen' ;;
                'fault') words='-h --help --admin --token-file --timeout -o --output --route --delay --latency --abort --percent --for --reason add remove' ;;
                'registry') words='-h --help --admin --token-file --timeout -o --output --ttl --weight --zone put remove' ;;
                'drain') words='-h --help --admin --token-file --timeout -o --output --exit' ;;
                'reload') words='-h --help --admin --token-file --timeout -o --output' ;;
                'check') words='-h --help --format --diff --admin --token-file --timeout' ;;
                'simulate') words='-h --help -f --file --cluster --trace -o --output --html --svg --seed --for' ;;
                'init') words='-h --help --from --to -o --output --force' ;;
                'fmt') words='-h --help --write --check' ;;
                'config dump') words='-h --help --origin --defaults -o --output --admin --token-file --timeout' ;;
                'config explain') words='-h --help -f --file --admin --token-file --timeout version threads drain node.name node.zone limits.connections limits.header_size limits.headers limits.url limits.body limits.streams limits.resets limits.log_only limits.requests_per_connection limits.passthrough_addresses access_log.to access_log.format access_log.only access_log.sample access_log.fields access_log.redact access_log.buffer log.level log.format log.to admin.listen admin.token admin.hosts telemetry.listen telemetry.buckets telemetry.max_series errors.detail identity.cert identity.key identity.ca defaults.timeout.connect defaults.timeout.request defaults.timeout.total defaults.timeout.response_header defaults.timeout.idle defaults.timeout.stream_idle defaults.timeout.tcp_idle defaults.timeout.client_header defaults.timeout.handshake defaults.timeout.client_idle defaults.retry.mode defaults.retry.attempts defaults.retry.on defaults.retry.per_try_timeout defaults.retry.backoff defaults.retry.max_backoff defaults.retry.budget defaults.retry.budget_min defaults.retry.max_depth defaults.retry.methods defaults.retry.buffer defaults.retry.rescue defaults.retry.hedge_after defaults.breaker.mode defaults.breaker.scope defaults.breaker.consecutive_failures defaults.breaker.consecutive_for defaults.breaker.failure_rate defaults.breaker.window defaults.breaker.min_requests defaults.breaker.slow_call defaults.breaker.slow_rate defaults.breaker.stall_after defaults.breaker.open_for defaults.breaker.max_open_for defaults.breaker.half_open_requests defaults.breaker.successes_to_close defaults.breaker.probe_timeout defaults.breaker.failure_on defaults.outlier.mode defaults.outlier.consecutive_failures defaults.outlier.consecutive_local defaults.outlier.consecutive_for defaults.outlier.failure_rate defaults.outlier.window defaults.outlier.min_requests defaults.outlier.slow_call defaults.outlier.slow_rate defaults.outlier.throttle_rate defaults.outlier.compare defaults.outlier.compare_gap defaults.outlier.latency_factor defaults.outlier.stall_after defaults.outlier.interval defaults.outlier.min_peers defaults.outlier.peer_min_requests defaults.outlier.eject_for defaults.outlier.max_eject_for defaults.outlier.max_ejected defaults.outlier.min_ready defaults.outlier.half_open_requests defaults.outlier.successes_to_return defaults.outlier.ramp defaults.lb.policy defaults.lb.key defaults.lb.when_none_ready defaults.access_log.to defaults.access_log.format defaults.access_log.only defaults.access_log.sample defaults.access_log.fields defaults.access_log.redact defaults.access_log.buffer' ;;
                'config apply') words='-h --help --admin --token-file --timeout -o --output --persist --if-match' ;;
                'config diff') words='-h --help' ;;
                'explain') words='-h --help' ;;
                'schema') words='-h --help' ;;
                'openapi') words='-h --help' ;;
                'reference') words='-h --help config metrics errors' ;;
                'man') words='-h --help' ;;
                'completion') words='-h --help bash zsh fish' ;;
                'version') words='-h --help' ;;
            esac ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* || $COMP_CWORD -eq 1 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _weir weir
