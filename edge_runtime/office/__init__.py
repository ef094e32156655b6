"""The office's side: a CA for one broker's devices, claims, enrolment by EST, revocation."""
