"""The HTTP API: descriptors, actions, watch. Every entrance passes `serai.identity.authorize` here."""
