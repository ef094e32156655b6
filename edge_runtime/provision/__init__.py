"""The technician's side: enrolment, configuration, proof that it works, renewal, and the end."""
