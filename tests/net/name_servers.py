"""Small authoritative servers of our own, which answer well, late, lamely or not at all."""

import socket
import threading

import dns.flags
import dns.message
import dns.rrset


class Server:
    """Answers over UDP and TCP on one port; over UDP cut short when `truncated`."""

    def __init__(
        self, ttl: int, *, authoritative: bool = True, truncated: bool = False, name: str = "api.shop.test."
    ) -> None:
        self.target = "elsewhere.test."
        self.ttl, self.authoritative, self.truncated, self.name = ttl, authoritative, truncated, name
        self.recursion_wanted: list[bool] = []
        self._tcp, self._udp = _both_on_one_port()
        self.address = f"127.0.0.1:{self._udp.getsockname()[1]}"
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _answer(self, wire: bytes, *, cut: bool) -> bytes:
        query = dns.message.from_wire(wire)
        self.recursion_wanted.append(bool(query.flags & dns.flags.RD))
        response = dns.message.make_response(query)
        if self.authoritative:
            response.flags |= dns.flags.AA
        if cut:
            response.flags |= dns.flags.TC
        elif str(query.question[0].name) == self.name:
            response.answer.append(dns.rrset.from_text(self.name, self.ttl, "IN", "CNAME", self.target))
        return response.to_wire()

    def _serve_udp(self) -> None:
        while True:
            try:
                wire, peer = self._udp.recvfrom(4096)
                if not wire:  # what a socket that was shut down receives
                    return
                self._udp.sendto(self._answer(wire, cut=self.truncated), peer)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                answer = self._answer(connection.recv(length), cut=False)
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def close(self) -> None:
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def _both_on_one_port() -> tuple[socket.socket, socket.socket]:
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # somebody else has that port for UDP
            tcp.close()
            udp.close()
        else:
            return tcp, udp
